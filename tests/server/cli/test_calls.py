"""What holds for every command: help, streams, exit statuses, precedence of what was said."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from pixkin_server.cli import COMMANDS
from pixkin_server.cli import pixkin as group
from pixkin_server.cli.output import one_line

Cli = Callable[..., Any]
HEAVY = ("numpy", "numba", "grpc", "onnxruntime", "PIL", "google.protobuf", "sqlite3")


def commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(path, command)]
    context = click.Context(command)
    below = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [found for name, each in below if each for found in commands(each, f"{path} {name}")]


ALL = dict(commands(group, "pixkin"))


def run(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pixkin_server", *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("path", ALL)
def test_every_command_and_option_has_help(path: str) -> None:
    command = ALL[path]
    assert command.help
    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []


@pytest.mark.parametrize("path", ALL)
def test_no_option_takes_a_secret(path: str) -> None:
    names = [name for param in ALL[path].params for name in param.opts]
    assert not [name for name in names if any(word in name for word in ("password", "token", "secret", "user", "key"))]


@pytest.mark.parametrize(
    "path", [path for path in ALL if path.startswith(("pixkin index", "pixkin search", "pixkin ev"))]
)
def test_every_command_on_a_collection_takes_store_and_server(path: str) -> None:
    names = {name for param in ALL[path].params for name in param.opts}
    assert {"--store", "--insecure", "--server"} <= names
    # What works on every item of a collection takes as long as it takes.
    named = ("augment", "derive", "graph", "merge", "prune", "reindex", "remove-descriptor", "rollback", "unlock")
    unbounded = {f"pixkin index {name}" for name in named}
    assert ("--timeout" in names) is (path not in unbounded)


@pytest.mark.parametrize("path", ALL)
def test_every_number_has_finite_bounds(path: str) -> None:
    numbers = [param for param in ALL[path].params if param.type.name.startswith(("integer", "float"))]
    for param in numbers:
        for text in ("nan", "inf", "-inf", "1e400", "9" * 400):
            with pytest.raises(click.UsageError):
                param.type(text, param, click.Context(ALL[path]))


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from pixkin_server.cli import main
sys.argv = ["pixkin", "--help"]
try:
    main()
finally:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Commands:" in ran.stdout
    assert ran.stderr == "[]\n"


def test_help_answers_within_300_milliseconds() -> None:
    def seconds() -> float:
        began = time.perf_counter()
        assert run("--help").returncode == 0
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.3


def test_the_list_of_commands_says_what_each_command_says(pixkin: Cli) -> None:
    out = pixkin("--help").out
    for name, (_, _, line) in COMMANDS.items():
        assert f"  {name}" in out
        assert line in out
    assert pixkin("index", "--help").out.index("create") < pixkin("index", "--help").out.index("add")


@pytest.mark.parametrize(
    "arguments",
    [("nobody",), ("index", "nobody"), ("search", "--bogus"), ("index", "add"),
     ("export-model",), ("search", "c", "id:x", "--timeout", "0"), ("index", "list", "--timeout", "1e20"),
     ("index", "list", "--timeout", "nan"), ("serve", "--grace", "nan"), ("search", "c", "id:x", "--size", "9" * 30)],
)  # fmt: skip
def test_a_call_that_makes_no_sense_is_one_line_with_status_2(pixkin: Cli, arguments: tuple[str, ...]) -> None:
    ran = pixkin(*arguments)
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.startswith("pixkin: ")
    assert ran.err.count("\n") == 1
    assert "--help" in ran.err


def test_an_error_is_one_line_with_its_reason_even_when_a_name_has_two(pixkin: Cli, tmp_path: Path) -> None:
    ran = pixkin("index", "add", "photos", tmp_path / "two\nlines", "--store", tmp_path)
    assert ran.status == 1
    assert ran.err.count("\n") == 1
    assert "two\\nlines" in ran.err
    assert ran.err.endswith(" [INVALID_ARGUMENT]\n")


def test_a_defect_is_one_line_without_a_traceback(pixkin: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from pixkin_server.engine import Engine

    def broken(*_: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(Engine, "collections", broken)
    ran = pixkin("index", "list")
    assert ran.status == 70
    assert ran.err == "pixkin: internal error, RuntimeError: two\\nlines (PIXKIN_DEBUG=1 shows where)\n"


def test_texts_are_printed_on_one_line_as_far_as_they_are_text() -> None:
    assert one_line("a b ünï 木 'x' \\n") == "a b ünï 木 'x' \\n"
    assert one_line("a\nb\x1b[31m\udce9'") == "a\\nb\\x1b[31m\\udce9'"


def test_no_server_is_one_line_and_nothing_of_grpc(tmp_path: Path) -> None:
    ran = run("index", "list", "--server", "127.0.0.1:1")
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "[SERVER_UNAVAILABLE]" in ran.stderr


def test_a_reader_that_goes_away_is_no_error(workplace: Any, made: str) -> None:
    command = [sys.executable, "-m", "pixkin_server", "index", "list", "--json", "--store", str(workplace.store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_full_disk_behind_stdout_is_one_line_with_status_1() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "pixkin_server", "export-model", "--list"], stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr == "pixkin: stdout took no more of the results: No space left on device\n"


@pytest.mark.parametrize(
    ("closed", "said"),
    [
        ([1], "pixkin: stdout took no more of the results: Bad file descriptor\n"),
        ([0, 1], "pixkin: stdout took no more of the results: Bad file descriptor\n"),
        ([1, 2], ""),
    ],
)
def test_a_stream_that_the_caller_closed_is_no_internal_error(closed: list[int], said: str) -> None:
    ran = subprocess.run(
        ["sh", "-c", f'exec "$@" {" ".join(f"{number}>&-" for number in closed)}', "sh", sys.executable, "-m",
         "pixkin_server", "export-model", "--list"], stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (1, said)


def test_a_database_never_takes_the_place_of_a_closed_stdout(tmp_path: Path) -> None:
    create = ("index", "create", "photos", "--vectors", "plain:dim=4", "--store", str(tmp_path))
    ran = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "pixkin_server", *create], stderr=subprocess.PIPE,
        text=True, check=False,
    )  # fmt: skip
    assert ran.stderr in ("", "pixkin: stdout took no more of the results: Bad file descriptor\n")
    assert "0 problems" in run("index", "verify", "photos", "--store", tmp_path).stdout


def without_a_home(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command as a user whom the system's list of users does not have."""
    code = """
import os, pwd

def nobody(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")

pwd.getpwuid = nobody
from pixkin_server.cli import main
main()
"""
    keep = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_DATA_HOME", "PIXKIN_HOME")}
    command = [sys.executable, "-c", code, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=keep, check=False)


def test_what_needs_no_extractor_works_without_a_home_directory(tmp_path: Path) -> None:
    ran = without_a_home("index", "list", "--store", tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("command", [("inspect", "hsv-histogram"), ("export-model", "hsv-histogram"), ("demo",)])
def test_a_user_without_a_home_directory_is_told_what_to_name(command: tuple[str, ...]) -> None:
    ran = without_a_home(*command)
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "PIXKIN_HOME=DIR" in ran.stderr


def test_names_that_are_no_text_are_printed_in_any_locale(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "pictures") + b"/ge\xe4ndert.jpg")).write_bytes(b"x")
    ran = run(
        "index", "add", "none", tmp_path / "pictures", "--store", tmp_path / "store", LC_ALL="C", PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii",
    )  # fmt: skip
    assert ran.returncode == 1
    assert "[UNKNOWN_COLLECTION]" in ran.stderr


def test_a_flag_goes_before_the_environment(
    pixkin: Cli, made: str, workplace: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere"
    monkeypatch.setenv("PIXKIN_STORE", str(nowhere))
    assert "[UNKNOWN_COLLECTION]" in pixkin("index", "describe", made).err
    assert pixkin("index", "describe", made, "--store", workplace.store).status == 0
    monkeypatch.setenv("PIXKIN_STORE", str(workplace.store))
    assert pixkin("index", "describe", made).status == 0
    monkeypatch.setenv("PIXKIN_SERVER", "127.0.0.1:1")
    assert "[SERVER_UNAVAILABLE]" in pixkin("index", "describe", made).err
    assert pixkin("index", "describe", made, "--store", workplace.store).status == 0
    assert pixkin("index", "describe", made, "--server", workplace.address).status == 0


def test_a_store_and_a_server_cannot_both_be_meant(pixkin: Cli, made: str, workplace: Any) -> None:
    both = pixkin("index", "describe", made, "--store", workplace.store, "--server", workplace.address)
    assert both.status == 2
    assert "not both" in both.err
    for option, value in (("--device", "cpu"), ("--extractors", workplace.extractors)):
        ran = pixkin("index", "describe", made, option, value, "--server", workplace.address)
        assert ran.status == 2
        assert "a server has its own" in ran.err


def test_inspect_prints_and_checks_an_extractor_file(pixkin: Cli, workplace: Any, tmp_path: Path) -> None:
    file = workplace.extractors / "hsv-histogram.onnx"
    text = pixkin("inspect", file, "--check").out
    assert "hsv-histogram" in text
    assert "checked on CPUExecutionProvider" in text
    found = pixkin("inspect", file, "--json").json
    assert list(found) == [
        "name",
        "fingerprint",
        "untrained",
        "preprocessing",
        "descriptors",
        "provenance",
        "checked_on",
    ]
    assert found["checked_on"] is None
    assert found["fingerprint"] in text
    named = pixkin("inspect", "hsv-histogram", "--extractors", workplace.extractors, "--json")
    assert named.json == found
    assert pixkin("inspect", "none.onnx").status == 1
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged.onnx").write_bytes(damaged)
    ran = pixkin("inspect", tmp_path / "damaged.onnx", "--check")
    assert ran.status == 1
    assert "[INVALID_EXTRACTOR]" in ran.err


def test_export_model_prints_the_file_and_gives_the_same_bytes_again(
    pixkin: Cli, workplace: Any, tmp_path: Path
) -> None:
    assert "efficientnet-lite0" in pixkin("export-model", "--list").out
    ran = pixkin("export-model", "hsv-histogram", "-o", tmp_path / "again.onnx")
    assert ran.out == f"{tmp_path / 'again.onnx'}\n"
    assert (tmp_path / "again.onnx").read_bytes() == (workplace.extractors / "hsv-histogram.onnx").read_bytes()
    for arguments in (
        ("nobody",),
        ("hsv-histogram", "--descriptor", "logits"),
        ("hsv-histogram", "-o", "/proc/x.onnx"),
    ):
        refused = pixkin("export-model", *arguments, "--extractors", tmp_path)
        assert refused.status == 1
        assert refused.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("searcch", "photos"), "search"),
        (("index", "lst"), "list"),
        (("opensearch", "rum"), "run"),
        (("scripts", "verifyy"), "verify"),
        (("whitening", "fitt"), "fit"),
        (("export-model", "effcientnet-lite0"), "efficientnet-lite0"),
    ],
)
def test_a_mistyped_command_is_met_with_what_was_meant(pixkin: Cli, words: tuple[str, ...], meant: str) -> None:
    ran = pixkin(*words)
    assert ran.status in {1, 2}
    assert f"did you mean {meant}" in ran.err
    assert ran.err.count("\n") == 1
