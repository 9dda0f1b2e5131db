"""A real node with OpenSearch's security plugin: https, certificates of its own authority, users and roles."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from pixkin_proto.errors import PixkinError
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.settings import ConnectionSettings
from pixkin_server.opensearch_node.artifacts import class_path, java
from pixkin_server.opensearch_node.layout import Layout
from pixkin_server.opensearch_node.node import Node, _arguments
from pixkin_server.opensearch_node.ports import HOST
from pixkin_server.opensearch_node.versions import VERSIONS, Plugin

PASSWORD = secrets.token_urlsafe()
"""Of every user."""
API = "/_plugins/_security/api"
WITH_KNN = VERSIONS["2.19.1"]
SECURITY = Plugin("org.opensearch.plugin", "opensearch-security", "org.opensearch.security.OpenSearchSecurityPlugin")
"""Maven repositories have it for 2.19.1, and not for 3.8.0."""
BASIC = {
    "http_enabled": True,
    "transport_enabled": True,
    "order": 0,
    "http_authenticator": {"type": "basic", "challenge": True},
    "authentication_backend": {"type": "internal"},
}
CONFIG: dict[str, Any] = {"dynamic": {"authc": {"basic": BASIC}}}
FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "config": ("config", {"config": CONFIG}),
    "internal_users": ("internalusers", {}),
    "roles": ("roles", {}),
    "roles_mapping": ("rolesmapping", {}),
    "action_groups": ("actiongroups", {}),
    "tenants": ("tenants", {}),
    "nodes_dn": ("nodesdn", {}),
    "allowlist": ("allowlist", {"config": {"enabled": False, "requests": {}}}),
    "audit": ("audit", {"config": {"enabled": False}}),
}
"""What the plugin reads when it is new, by file: the type that it wants to see there, and the content. Nobody is let in
but who shows the administrator's certificate, and no role is given to everybody, as the plugin's own files do."""


class SecuredNode(Node):
    """A node that answers to https and to known users alone."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://{HOST}:{self.port}"

    def settings(self, user: str = "", password: str = PASSWORD) -> ConnectionSettings:
        """Return how a user is let in; without a name it is the administrator, who may do everything."""
        config = _config(self._layout)
        if user:
            return ConnectionSettings(ca=str(config / "ca.pem"), user=user, password=password)
        return ConnectionSettings(ca=str(config / "ca.pem"), client_cert=str(config / "admin.pem"))

    @contextlib.contextmanager
    def administrator(self) -> Iterator[Connection]:
        """A connection that may do everything."""
        with contextlib.closing(Connection(self.url, self.settings())) as connection:
            yield connection

    def grant(self, name: str, role: Mapping[str, Any]) -> None:
        """Make a role, and a user of the same name who has it, as an administrator would."""
        with self.administrator() as connection:
            connection.ask("PUT", f"{API}/roles/{name}", body=role)
            connection.ask("PUT", f"{API}/internalusers/{name}", body={"password": PASSWORD})
            connection.ask("PUT", f"{API}/rolesmapping/{name}", body={"users": [name]})

    def leave_out_forbidden(self, *, on: bool) -> None:
        """Let answers to wildcards leave out what the user may not see, or be refused as a whole."""
        dynamic = {**CONFIG["dynamic"], "do_not_fail_on_forbidden": on}
        with self.administrator() as connection:
            connection.ask("PUT", f"{API}/securityconfig/config", body={"dynamic": dynamic})

    def _answers(self, pid: int) -> bool:
        """Whether this very process answers, and knows who may do what."""
        with self.administrator() as connection, contextlib.suppress(PixkinError):
            nodes = connection.ask("GET", "/_nodes/_local/process", retry_seconds=0)["nodes"]
            if [node["process"]["id"] for node in nodes.values()] == [pid]:
                return bool(connection.ask("GET", "/_plugins/_security/health", retry_seconds=0)["status"] == "UP")
        return False


def start_secured_node(data: Path, *, port: int = 0, heap: str = "1g", java_options: Sequence[str] = ()) -> SecuredNode:
    """Start OpenSearch 2.19.1 with the plugins for security and k-NN; return it once it answers."""
    secured = replace(WITH_KNN, knn=replace(SECURITY, plugin_class=_both()))
    layout = Layout.of(data)
    layout.write_settings({})  # makes the folder
    administrator = _write_certificates(_config(layout))
    layout.write_settings(_settings(administrator))
    _write_security(_config(layout) / "opensearch-security")
    jars = dict.fromkeys(class_path(secured, knn=True, progress=None) + class_path(WITH_KNN, knn=True, progress=None))
    program = [str(java()), f"-Xmx{heap}", *java_options, "-cp", os.pathsep.join(map(str, jars))]
    program += _arguments(layout, secured, knn=True)
    return SecuredNode(secured.number, program, layout, port).start()


def _both() -> str:
    knn = WITH_KNN.knn
    return f"{knn.plugin_class if knn else ''},{SECURITY.plugin_class}"


def _config(layout: Layout) -> Path:
    return layout.folder / "node_1" / "config"


def _settings(administrator: str) -> dict[str, Any]:
    """Return the plugin's lines of opensearch.yml; files are named from the folder that it is in.

    administrator: the subject of the certificate that may do everything.
    """
    pem = {"pemcert_filepath": "node.pem", "pemkey_filepath": "node-key.pem", "pemtrustedcas_filepath": "ca.pem"}
    security: dict[str, Any] = {
        **{f"ssl.transport.{key}": value for key, value in pem.items()},
        **{f"ssl.http.{key}": value for key, value in pem.items()},
        "ssl.http.enabled": True,
        "ssl.http.clientauth_mode": "OPTIONAL",
        "authcz.admin_dn": [administrator],
        "allow_default_init_securityindex": True,
        "password.hashing.bcrypt.rounds": 4,  # every first request of a user is a check of the password
        "unsupported.restapi.allow_securityconfig_modification": True,
    }
    return {
        "script.allowed_types": "stored",
        **{f"plugins.security.{key}": value for key, value in security.items()},
    }


def _write_security(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (kind, content) in FILES.items():
        text = json.dumps({"_meta": {"type": kind, "config_version": 2}, **content})  # JSON is YAML
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")


def _write_certificates(folder: Path) -> str:
    """Write the certificates of the authority, the node and an administrator; returns the subject of the last."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    of_node = authority.issue_cert(HOST)
    of_node.cert_chain_pems[0].write_to_path(folder / "node.pem")
    (folder / "node-key.pem").write_bytes(_pkcs8(of_node))
    of_admin = authority.issue_cert("admin@pixkin.test")
    of_admin.private_key_and_cert_chain_pem.write_to_path(folder / "admin.pem")
    return load_pem_x509_certificate(of_admin.cert_chain_pems[0].bytes()).subject.rfc4514_string()


def _pkcs8(certificate: trustme.LeafCert) -> bytes:
    """Return the key as the plugin takes it; trustme writes it in the older form."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
