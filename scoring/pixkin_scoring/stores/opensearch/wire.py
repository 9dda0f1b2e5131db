"""The seam to opensearch-py: its connection to one node, bound to a time, without its logs; and its exceptions."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opensearchpy import Urllib3HttpConnection, exceptions
from pixkin_proto.errors import Internal, InvalidArgument, StoreDenied, StoreFull, StoreReadOnly, StoreUnavailable
from urllib3 import Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError, ProtocolError, ReadTimeoutError

from pixkin_scoring.stores.opensearch.causes import parsed
from pixkin_scoring.stores.opensearch.faults import THE_CLUSTER, not_opensearch, of_answer
from pixkin_scoring.stores.opensearch.settings import variable

CONNECT_SECONDS = 5.0
BLOCK_BYTES = 1 << 18
TOO_MANY = 429
GATEWAY = {502, 503, 504}
_REFUSED_CERTIFICATE = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE")
_PLACE = re.compile(r"^[A-Z0-9_]+] |\[.*?] ?| ?\(_ssl\.c:\d+\)")
"""What a message of Python says beside its words: error numbers and places in its source."""
_HOPELESS_TLS = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", *_REFUSED_CERTIFICATE)


class Body(bytes):
    """The bytes of an answer. Without UTF-8 (a proxy's page) the library would take it for a lost connection."""

    __slots__ = ()

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:  # noqa: ARG002  # whatever the library says
        """Return text, with a mark for what is none."""
        return super().decode(encoding, "replace")


@dataclass(frozen=True)
class Received:
    """A whole answer, as opensearch-py reads it: status, headers of urllib3, data."""

    status: int
    headers: Any
    data: Body


class Wire(Urllib3HttpConnection):
    """opensearch-py's connection to a node; it logs nothing, and a timeout is for the whole answer.

    The library logs every body at DEBUG and every URL at INFO: vectors, names and ids of people's pictures.
    """

    def _create_urllib3_pool(self) -> None:
        super()._create_urllib3_pool()
        self.pool = BoundPool(self.pool)

    def log_request_success(self, *_: Any, **__: Any) -> None:
        """Say nothing."""

    def log_request_fail(self, *_: Any, **__: Any) -> None:
        """Say nothing: the exception says it."""

    def _raise_warnings(self, warning_headers: Any) -> None:
        """Say nothing: a deprecation is for pixkin's own tests to find, not for its users."""

    def _raise_error(self, status_code: int, raw_data: str | bytes, content_type: str | None = None) -> None:
        raise exceptions.HTTP_EXCEPTIONS.get(status_code, exceptions.TransportError)(
            status_code, raw_data, content_type
        )


class QuickToConnect:
    """A connection of urllib3 that waits less for the other side to be there than for it to take and answer a request.

    urllib3 has one time for connecting and sending, and a large _bulk over a slow line takes longer than a handshake.
    """

    timeout: Any
    sock: Any

    def connect(self) -> None:
        """Connect, and for https shake hands, within CONNECT_SECONDS."""
        whole = self.timeout
        self.timeout = min(whole, CONNECT_SECONDS)
        try:
            super().connect()  # type: ignore[misc]  # of the class that this one is mixed with
        finally:
            self.timeout = whole
        self.sock.settimeout(whole)


class QuickHTTP(QuickToConnect, HTTPConnection):
    """http that is quick to connect."""


class QuickHTTPS(QuickToConnect, HTTPSConnection):
    """https that is quick to connect."""


class BoundPool:
    """A pool of urllib3 whose timeout bounds the answer as a whole: urllib3's own starts again with each byte."""

    def __init__(self, pool: HTTPConnectionPool) -> None:
        self._pool = pool
        pool.ConnectionCls = QuickHTTPS if pool.scheme == "https" else QuickHTTP

    def urlopen(self, method: str, url: str, body: bytes | None, *, timeout: float, **kw: Any) -> Received:
        """Send a request and read the answer to its end within `timeout` seconds."""
        end = time.monotonic() + timeout
        try:
            response = self._pool.urlopen(
                method, url, body, timeout=Timeout(total=timeout), preload_content=False, **kw
            )
        except ProtocolError as error:
            if isinstance(error.args[-1], TimeoutError):  # of sending; urllib3 says so only of connecting and reading
                raise ReadTimeoutError(self._pool, url, "the request was not taken in time") from error
            raise
        try:
            data = b"".join(iter(lambda: self._read(response, url, end), b""))
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return Received(response.status, response.headers, Body(data))

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _read(self, response: Any, url: str, end: float) -> bytes:
        left = end - time.monotonic()
        if left <= 0:
            raise ReadTimeoutError(self._pool, url, "the answer came too slowly")
        sock = getattr(response.connection, "sock", None)
        if sock is not None:
            sock.settimeout(left)
        return bytes(response.read1(BLOCK_BYTES))


def retry_helps(error: exceptions.TransportError) -> bool:
    """Whether the same request may be answered a moment later: nobody listens, or the cluster is busy."""
    if isinstance(error, exceptions.ConnectionError):
        return not isinstance(error, exceptions.ConnectionTimeout) and not _hopeless(error)
    if error.status_code == TOO_MANY:  # a full disk says so with this status too, and stays full
        return not isinstance(of_library(error), StoreFull | StoreReadOnly)
    return error.status_code in GATEWAY


def maybe_applied(error: exceptions.TransportError) -> bool:
    """Whether the cluster may have done what the failed request asked for."""
    if isinstance(error, exceptions.ConnectionError):
        return not isinstance(error.info, ConnectTimeoutError) and not _hopeless(error)
    return error.status_code in GATEWAY


def of_library(error: Exception, where: str = THE_CLUSTER) -> Exception:
    """Return the PixkinError or ClusterState that an exception of opensearch-py means, by its nearest class."""
    return next(COUNTERPARTS[kind] for kind in type(error).__mro__ if kind in COUNTERPARTS)(error, where)


def _by_answer(error: Exception, where: str) -> Exception:
    status, text, *_ = error.args
    return of_answer(status, parsed(text), where)


def _unreachable(error: Exception, where: str) -> Exception:
    return StoreUnavailable(f"{where} cannot be reached ({_why(error)}); is it running, and is the URL right?")


def _unanswered(_: Exception, where: str) -> Exception:
    return StoreUnavailable(f"{where} did not answer in time; repeat, or see whether it has too much to do")


def _tls(error: Exception, where: str) -> Exception:
    text = str(error)
    if any(alert in text for alert in _REFUSED_CERTIFICATE):
        return StoreDenied(f"{where} asks for a certificate or does not accept ours; check {variable('client_cert')}")
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return StoreUnavailable(
            f"{where} does not prove who it is ({_why(error)}); name its authority's file in {variable('ca')}"
        )
    return StoreUnavailable(
        f"{where} cannot be reached by TLS ({_why(error)}); does it speak https on this port, or ask for a certificate "
        f"({variable('client_cert')})?"
    )


def _unreadable(_: Exception, where: str) -> Exception:
    return not_opensearch(where)


def _misconfigured(error: Exception, where: str) -> Exception:
    return InvalidArgument(f"{where} cannot be used as it is set up: {error}")


def _defect(error: Exception, _: str) -> Exception:
    return Internal(f"opensearch-py raised {type(error).__name__}, which pixkin does not expect")


def _why(error: Exception) -> str:
    """Return the innermost cause of a failed connection in a few words."""
    inner = error.args[2] if len(error.args) > 2 else error
    while isinstance(inner, Exception) and inner.args and isinstance(inner.args[-1], Exception):
        inner = inner.args[-1]
    words = getattr(inner, "verify_message", "") or str(inner).rpartition(": ")[2]
    return _PLACE.sub("", words) or type(inner).__name__


def _hopeless(error: Exception) -> bool:
    return isinstance(error, exceptions.SSLError) and any(word in str(error) for word in _HOPELESS_TLS)


COUNTERPARTS: Mapping[type[BaseException], Callable[[Exception, str], Exception]] = {
    exceptions.OpenSearchException: _defect,
    exceptions.TransportError: _by_answer,
    exceptions.RequestError: _by_answer,
    exceptions.AuthenticationException: _by_answer,
    exceptions.AuthorizationException: _by_answer,
    exceptions.NotFoundError: _by_answer,
    exceptions.ConflictError: _by_answer,
    exceptions.ConnectionError: _unreachable,
    exceptions.ConnectionTimeout: _unanswered,
    exceptions.SSLError: _tls,
    exceptions.SerializationError: _unreadable,
    exceptions.ImproperlyConfigured: _misconfigured,
    exceptions.OpenSearchWarning: _defect,  # `Wire` does not raise any
    # The library's query objects are not used.
    exceptions.OpenSearchDslException: _defect,
    exceptions.UnknownDslObject: _defect,
    exceptions.ValidationException: _defect,
    exceptions.IllegalOperation: _defect,
}
"""Every class of opensearchpy.exceptions, and what makes an error of ours of it."""
