"""The settings as the library takes them: a TLS context, a header, a signer."""

from __future__ import annotations

import base64
import logging
import ssl
from collections.abc import Callable
from typing import Any

from pixkin_proto.errors import InvalidArgument, MissingExtra

from pixkin_scoring.stores.opensearch.settings import ConnectionSettings, variable

Signer = Callable[[str, str, Any], dict[str, str]]
"""(method, whole URL, body) to headers."""


def tls_context(settings: ConnectionSettings) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name, and shows our certificate when there is one.

    Without `ca` it trusts what the system trusts, with it nothing else.

    Raises:
        InvalidArgument: a file cannot be read, is no PEM file, or its key is encrypted or does not fit.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca or None)
    except OSError as error:
        raise _unusable("ca", settings.ca, error) from None
    if settings.client_cert:
        try:
            # Without the callback OpenSSL would ask for the password of an encrypted key at the terminal.
            context.load_cert_chain(settings.client_cert, settings.client_key or None, password=lambda: "")
        except OSError as error:
            raise _unusable("client_cert", settings.client_cert, error) from None
    return context


def authorization(settings: ConnectionSettings) -> dict[str, str]:
    """Return the header for basic or bearer authentication; empty for neither."""
    if settings.user:
        # As UTF-8 (RFC 7617), where the library would fail on letters beyond Latin-1 with the password in its message.
        pair = base64.b64encode(f"{settings.user}:{settings.password}".encode()).decode()
        return {"authorization": f"Basic {pair}"}
    return {"authorization": f"Bearer {settings.token}"} if settings.token else {}


def signer(settings: ConnectionSettings) -> Signer | None:
    """Return what signs each request with AWS Signature Version 4, with the credentials that botocore finds.

    Raises:
        MissingExtra: botocore is not installed.
        InvalidArgument: it finds no credentials or no region.
    """
    if not settings.sigv4:
        return None
    try:
        from botocore.session import Session
    except ImportError:
        raise MissingExtra("signing requests for AWS", "sigv4") from None
    from opensearchpy import Urllib3AWSV4SignerAuth

    session = Session()
    region = settings.region or session.get_config_variable("region")
    if not region:
        raise InvalidArgument(f"{variable('sigv4')} needs a region; set {variable('region')}")
    credentials = session.get_credentials()
    if credentials is None:
        raise InvalidArgument(f"{variable('sigv4')} needs AWS credentials, and botocore finds none; set AWS_PROFILE")
    # It logs the headers that it signs at DEBUG, a session token among them.
    logging.getLogger("botocore.auth").setLevel(logging.INFO)
    sign: Signer = Urllib3AWSV4SignerAuth(credentials, region, settings.sigv4)
    return sign


def _unusable(key: str, path: str, error: OSError) -> InvalidArgument:
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return InvalidArgument(f"{path or 'the certificates of the system'}, for {variable(key)}, cannot be used: {reason}")
