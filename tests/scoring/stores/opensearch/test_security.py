"""Both sides prove who they are, and nothing that proves it is ever shown."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pixkin_proto.errors import InvalidArgument, MissingExtra, StoreDenied, StoreUnavailable
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.settings import ConnectionSettings
from pixkin_server.opensearch_node.node import Node

from tests.scoring.stores.opensearch.fault_proxy import FaultProxy, answer, drop_before, error
from tests.scoring.stores.opensearch.tls_node import TlsNode

PASSWORD = "hunter2:Ölß€"  # noqa: S105  # of this test alone
TOKEN = "eyJhbGciOi.hunter2-._~+/="  # noqa: S105  # of this test alone
VECTOR = base64.b64encode(b"a vector of a picture").decode()

Front = Callable[..., TlsNode]


@pytest.fixture
def front(nodes: Callable[[str], Node], tmp_path: Path) -> Iterator[Front]:
    """Put an https front with the given demands before the newest node."""
    with ExitStack() as running:

        def start(**demands: Any) -> TlsNode:
            return running.enter_context(TlsNode(nodes("3.8.0").url, tmp_path, **demands))

        yield start


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials for AWS in the environment, and no others of this machine."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "hunter2-session")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def _ask(url: str, **settings: str) -> dict[str, Any]:
    return Connection(url, ConnectionSettings(**settings)).ask("GET", "/", retry_seconds=0)


def test_a_certificate_of_the_named_authority_is_trusted(front: Front) -> None:
    node = front()
    assert _ask(node.url, ca=str(node.certificates.ca))["version"]["distribution"] == "opensearch"


def test_a_certificate_of_an_unknown_authority_is_refused_and_the_line_says_how_to_name_it(front: Front) -> None:
    node = front()
    with pytest.raises(StoreUnavailable, match=r"does not prove who it is .*PIXKIN_OPENSEARCH_CA"):
        _ask(node.url)
    assert node.count == 0


def test_a_certificate_of_another_host_is_refused(front: Front) -> None:
    node = front(host="search.example")
    with pytest.raises(StoreUnavailable, match=r"does not prove who it is .*not valid for '127\.0\.0\.1'"):
        _ask(node.url, ca=str(node.certificates.ca))
    assert node.count == 0


def test_http_and_https_mistaken_for_each_other_are_a_line(front: Front, nodes: Callable[[str], Node]) -> None:
    with pytest.raises(StoreUnavailable, match="does it speak https on this port"):
        _ask(nodes("3.8.0").url.replace("http:", "https:"))
    with pytest.raises(StoreUnavailable, match="is the URL right"):
        _ask(front().url.replace("https:", "http:"))


@pytest.mark.parametrize("settings", [{"user": "ann", "password": PASSWORD}, {"token": TOKEN}])
def test_who_has_the_credentials_gets_in(front: Front, settings: dict[str, str]) -> None:
    node = front(user=("ann", PASSWORD)) if "user" in settings else front(token=TOKEN)
    assert _ask(node.url, ca=str(node.certificates.ca), **settings)["version"]


@pytest.mark.parametrize("settings", [{}, {"user": "ann", "password": "hunter2"}, {"token": "hunter2"}])
def test_who_has_other_credentials_is_denied_without_a_second_try(front: Front, settings: dict[str, str]) -> None:
    node = front(user=("ann", PASSWORD))
    with pytest.raises(StoreDenied, match="PIXKIN_OPENSEARCH_USER") as denied:
        _ask(node.url, ca=str(node.certificates.ca), **settings)
    assert "hunter2" not in str(denied.value)
    assert node.count == 1


def test_a_client_certificate_is_shown(front: Front) -> None:
    node = front(client_certificate=True)
    files = node.certificates
    assert _ask(node.url, ca=str(files.ca), client_cert=str(files.client), client_key=str(files.client_key))["version"]


def test_a_client_certificate_may_lie_in_one_file_with_its_key(front: Front, tmp_path: Path) -> None:
    node = front(client_certificate=True)
    both = tmp_path / "both.pem"
    both.write_bytes(node.certificates.client_key.read_bytes() + node.certificates.client.read_bytes())
    assert _ask(node.url, ca=str(node.certificates.ca), client_cert=str(both))["version"]


def test_a_missing_client_certificate_is_denied(front: Front) -> None:
    node = front(client_certificate=True)
    with pytest.raises(StoreDenied, match="PIXKIN_OPENSEARCH_CLIENT_CERT"):
        _ask(node.url, ca=str(node.certificates.ca))
    assert node.count == 0


def test_a_client_certificate_of_another_authority_is_denied(front: Front, tmp_path: Path) -> None:
    import trustme

    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("eve@pixkin.test").private_key_and_cert_chain_pem.write_to_path(other)
    node = front(client_certificate=True)
    with pytest.raises(StoreDenied, match="PIXKIN_OPENSEARCH_CLIENT_CERT"):
        _ask(node.url, ca=str(node.certificates.ca), client_cert=str(other))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
@pytest.mark.parametrize("key", ["ca", "client_cert"])
def test_a_file_that_is_no_certificate_is_refused_by_its_variable(
    tmp_path: Path, content: bytes | None, key: str
) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidArgument, match=f"{path}, for PIXKIN_OPENSEARCH_{key.upper()}, cannot be used: [A-Z]"):
        Connection("https://search.example", ConnectionSettings(**{key: str(path)}))


def test_an_encrypted_key_is_refused_in_place_of_a_question_at_the_terminal(front: Front, tmp_path: Path) -> None:
    files = front().certificates
    key = load_pem_private_key(files.client_key.read_bytes(), None)
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"hunter2"))
    )
    settings = ConnectionSettings(client_cert=str(files.client), client_key=str(encrypted))
    with pytest.raises(InvalidArgument, match="PIXKIN_OPENSEARCH_CLIENT_CERT"):
        Connection("https://search.example", settings)


def test_a_missing_permission_is_named_and_the_user_is_not(connection: Connection, proxy: FaultProxy) -> None:
    reason = (
        "no permissions for [indices:data/write/bulk] and User [name=ann, backend_roles=[staff], requestedTenant=null]"
    )
    proxy.always(error(403, "security_exception", reason))
    with pytest.raises(StoreDenied, match=r"no permissions for \[indices:data/write/bulk\];") as denied:
        connection.ask("POST", "/_bulk", lines=[])
    assert "ann" not in str(denied.value)
    assert proxy.count == 1


def test_the_word_of_a_gateway_is_passed_on(connection: Connection, proxy: FaultProxy) -> None:
    proxy.always(answer(403, {"Message": "User: anonymous is not authorized to perform: es:ESHttpGet"}))
    with pytest.raises(StoreDenied, match="not authorized to perform: es:ESHttpGet"):
        connection.ask("GET", "/")


@pytest.mark.usefixtures("amazon")
def test_a_request_for_aws_is_signed_with_the_hash_of_its_lines(proxy: FaultProxy) -> None:
    proxy.next(drop_before())
    proxy.always(answer(200, {"items": []}))
    connection = Connection(proxy.url, ConnectionSettings(sigv4="es", region="eu-west-1"))
    connection.ask("POST", "/photos/_bulk", lines=[b'{"index":{}}', '{"a":"Ö"}'.encode()], params={"refresh": True})
    for request in proxy.requests:  # a repeated request is signed anew: signatures grow old
        assert re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-west-1/es/aws4_request, "
            r"SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}",
            request.headers["authorization"],
        )
        assert request.headers["x-amz-content-sha256"] == hashlib.sha256(request.body).hexdigest()
        assert re.fullmatch(r"\d{8}T\d{6}Z", request.headers["x-amz-date"])
    assert len(proxy.requests) == 2


@pytest.mark.usefixtures("amazon")
def test_the_region_is_botocores_when_none_is_named(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match="PIXKIN_OPENSEARCH_REGION"):
        Connection(proxy.url, ConnectionSettings(sigv4="es"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    Connection(proxy.url, ConnectionSettings(sigv4="es")).ask("GET", "/")
    assert "/ap-south-1/es/" in proxy.requests[0].headers["authorization"]


@pytest.mark.usefixtures("amazon")
def test_signing_without_credentials_is_refused(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(InvalidArgument, match="botocore finds none"):
        Connection(proxy.url, ConnectionSettings(sigv4="es", region="eu-west-1"))


def test_signing_without_botocore_names_the_extra(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(MissingExtra, match=r"pip install 'pixkin\[sigv4\]'"):
        Connection(proxy.url, ConnectionSettings(sigv4="es", region="eu-west-1"))


@pytest.mark.usefixtures("amazon")
@pytest.mark.parametrize(
    "settings", [{"user": "ann", "password": PASSWORD}, {"token": TOKEN}, {"sigv4": "es", "region": "r"}]
)
def test_at_the_loudest_nothing_logged_or_raised_or_shown_holds_a_credential_or_a_vector(
    proxy: FaultProxy, settings: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    secrets = [PASSWORD, base64.b64encode(f"ann:{PASSWORD}".encode()).decode(), TOKEN, "hunter2", VECTOR]
    with caplog.at_level(logging.DEBUG):
        connection = Connection(proxy.url, ConnectionSettings(**settings))
        proxy.next(answer(200, {"hits": VECTOR}), answer(401), answer(200, VECTOR.encode()), drop_before())
        shown = [repr(connection), str(vars(connection))]
        for _ in range(4):
            try:
                connection.ask("POST", "/_search", body={"q": VECTOR}, retry_seconds=0)
            except (StoreDenied, StoreUnavailable) as failed:
                shown += [traceback.format_exc(), repr(failed), str(failed.data)]
    text = caplog.text + "".join(shown)
    assert [secret for secret in secrets if secret in text] == []
    assert len(shown) == 2 + 3 * 3


def test_a_value_of_a_document_is_not_in_the_error_about_it(connection: Connection) -> None:
    from pixkin_proto.errors import StoreFormat

    connection.ask("PUT", "/security-test", body={"mappings": {"properties": {"n": {"type": "integer"}}}})
    try:
        with pytest.raises(StoreFormat, match=r"failed to parse field \[n\]") as failed:
            connection.ask("PUT", "/security-test/_doc/1", body={"n": "a name"})
    finally:
        connection.ask("DELETE", "/security-test")
    assert "a name" not in str(failed.value)
