"""Credentials come from variables or a private file, fit together, and are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.stores.opensearch.settings import KEYS, ConnectionSettings, read_settings, variable

SECRET = "hunter2-Öl"  # noqa: S105  # of this test alone


def _variables(**values: str) -> dict[str, str]:
    return {variable(key): value for key, value in values.items()}


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A settings file for its owner alone."""
    path = tmp_path / "opensearch.toml"
    path.write_text(f'user = "ann"\npassword = "{SECRET}"\nca = "/etc/ca.pem"\n')
    path.chmod(0o600)
    return path


def test_without_variables_nothing_is_used() -> None:
    assert read_settings({}) == ConnectionSettings()


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings(_variables(user="", token="", file="")) == ConnectionSettings()


def test_variables_become_settings() -> None:
    read = read_settings(
        _variables(user="ann", password=SECRET, ca="/ca.pem", client_cert="/c.pem", client_key="/k.pem")
    )
    assert read == ConnectionSettings(
        user="ann", password=SECRET, ca="/ca.pem", client_cert="/c.pem", client_key="/k.pem"
    )


def test_a_file_gives_what_no_variable_does(private: Path) -> None:
    read = read_settings(_variables(file=str(private), ca="/other.pem"))
    assert read == ConnectionSettings(user="ann", password=SECRET, ca="/other.pem")


@pytest.mark.parametrize("content", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n"])
def test_a_secret_may_lie_in_a_file_of_its_own_as_containers_mount_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content.encode())
    path.chmod(0o444)
    assert read_settings(_variables(user="ann", password_file=str(path))).password == SECRET


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"user": "ann", "password": SECRET, "token": SECRET}, "PIXKIN_OPENSEARCH_USER and PIXKIN_OPENSEARCH_TOKEN"),
        ({"token": "abc", "sigv4": "es"}, "PIXKIN_OPENSEARCH_TOKEN and PIXKIN_OPENSEARCH_SIGV4"),
        ({"user": "ann"}, "PIXKIN_OPENSEARCH_USER is set without PIXKIN_OPENSEARCH_PASSWORD"),
        ({"password": SECRET}, "PIXKIN_OPENSEARCH_PASSWORD is set without PIXKIN_OPENSEARCH_USER"),
        ({"client_key": "/k"}, "PIXKIN_OPENSEARCH_CLIENT_KEY is set without PIXKIN_OPENSEARCH_CLIENT_CERT"),
        ({"region": "eu-west-1"}, "PIXKIN_OPENSEARCH_SIGV4"),
        ({"sigv4": "s3"}, "allowed is es"),
        ({"user": "a:b", "password": SECRET}, "PIXKIN_OPENSEARCH_USER has a colon"),
        ({"token": f"{SECRET}\r\nx: y"}, "PIXKIN_OPENSEARCH_TOKEN is no bearer token"),
        ({"password": SECRET, "password_file": "/x", "user": "ann"}, "PIXKIN_OPENSEARCH_PASSWORD_FILE contradict"),
        ({"token_file": "/not/there"}, "/not/there, which PIXKIN_OPENSEARCH_TOKEN_FILE names, cannot be read"),
        ({"file": "/not/there"}, "/not/there, which PIXKIN_OPENSEARCH_FILE names, cannot be read"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_a_line_with_names_and_no_values(
    values: dict[str, str], named: str
) -> None:
    with pytest.raises(InvalidArgument, match=named) as refused:
        read_settings(_variables(**values))
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"password = '{SECRET}", "no TOML file"),
        (f"user = 'ann'\npasword = '{SECRET}'", "'pasword'; allowed are .*password"),
        ("user = 'ann'\npassword = 12345678", "password in .* is no text"),
        (
            f"user = 'ann'\npassword = '{SECRET}'\npassword_file = '/x'",
            "password in .* and password_file in .* contradict",
        ),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_without_its_content(private: Path, text: str, named: str) -> None:
    private.write_text(text)
    with pytest.raises(InvalidArgument, match=named) as refused:
        read_settings(_variables(file=str(private)))
    assert SECRET not in str(refused.value)
    assert "12345678" not in str(refused.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_with_a_secret_that_others_can_read_is_refused(private: Path, mode: int) -> None:
    private.chmod(mode)
    with pytest.raises(InvalidArgument, match=f"chmod 600 {private}"):
        read_settings(_variables(file=str(private)))


def test_a_file_without_a_secret_may_be_open(private: Path) -> None:
    private.write_text("ca = '/etc/ca.pem'")
    private.chmod(0o644)
    assert read_settings(_variables(file=str(private))).ca == "/etc/ca.pem"


@pytest.mark.parametrize("content", ["", "\n", f"{SECRET}\nand more", b"\xff\xfe"])
def test_a_file_that_holds_no_single_secret_is_refused(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidArgument, match="PIXKIN_OPENSEARCH_TOKEN_FILE") as refused:
        read_settings(_variables(token_file=str(path)))
    assert SECRET not in str(refused.value)


def test_a_variable_that_is_no_setting_is_refused_since_it_may_be_a_misspelt_one() -> None:
    with pytest.raises(InvalidArgument, match=r"PIXKIN_OPENSEARCH_PASSWRD, which is no setting; there are .*PASSWORD"):
        read_settings({"PIXKIN_OPENSEARCH_USER": "ann", "PIXKIN_OPENSEARCH_PASSWRD": SECRET})


def test_settings_do_not_show_their_secrets() -> None:
    assert SECRET not in repr(ConnectionSettings(user="ann", password=SECRET))
    assert SECRET[:7] not in repr(ConnectionSettings(token=SECRET[:7]))


def test_every_setting_has_a_variable_of_which_the_documentation_tells() -> None:
    text = (Path(__file__).parents[4] / "docs" / "opensearch-security.md").read_text()
    assert [variable(key) for key in (*KEYS, "file") if f"`{variable(key)}`" not in text] == []
