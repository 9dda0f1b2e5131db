"""An https front for a node, certified by the test's own authority, which asks for what a cluster may ask for."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.scoring.stores.opensearch.fault_proxy import Behaviour, FaultProxy, Request, answer


@dataclass(frozen=True)
class Certificates:
    """PEM files: of the authority that signed the server, of a client (certificate with key), and of that key alone."""

    ca: Path
    client: Path
    client_key: Path


class TlsNode(FaultProxy):
    """An https proxy that lets in who shows what it asks for, and answers 401 to the others.

    Args:
        upstream: http URL of the node.
        folder: where the certificates are written.
        user: name and password of basic authentication.
        token: bearer token.
        client_certificate: whether the client must show one of the same authority.
        host: name in the server's certificate.
    """

    def __init__(
        self,
        upstream: str,
        folder: Path,
        *,
        user: tuple[str, str] | None = None,
        token: str = "",
        client_certificate: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        authority = trustme.CA()
        self.certificates = _write(authority, folder)
        self._expected = _authorization(user, token)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(context)
        if client_certificate:
            authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        super().__init__(upstream, tls=context)
        self.when(self._guard)

    def _guard(self, request: Request) -> Behaviour | None:
        if self._expected and request.headers.get("authorization") != self._expected:
            return answer(401, b"Unauthorized", content_type="text/plain")
        return None


def _authorization(user: tuple[str, str] | None, token: str) -> str:
    if user:
        return "Basic " + base64.b64encode(":".join(user).encode()).decode()
    return f"Bearer {token}" if token else ""


def _write(authority: trustme.CA, folder: Path) -> Certificates:
    client = authority.issue_cert("client@pixkin.test")
    files = Certificates(folder / "ca.pem", folder / "client.pem", folder / "client-key.pem")
    authority.cert_pem.write_to_path(files.ca)
    client.cert_chain_pems[0].write_to_path(files.client)
    client.private_key_pem.write_to_path(files.client_key)
    return files
