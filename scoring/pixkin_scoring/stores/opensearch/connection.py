"""The one way to a cluster: a request in, an answer in JSON or an error of pixkin out, within the caller's time."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from opensearchpy import exceptions
from pixkin_proto.errors import Deadline, InvalidArgument
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from pixkin_scoring.stores.opensearch.address import Address, read_address
from pixkin_scoring.stores.opensearch.causes import parsed
from pixkin_scoring.stores.opensearch.credentials import authorization, signer, tls_context
from pixkin_scoring.stores.opensearch.faults import THE_CLUSTER, ClusterState, not_opensearch
from pixkin_scoring.stores.opensearch.settings import ConnectionSettings
from pixkin_scoring.stores.opensearch.wire import Wire, maybe_applied, of_library, retry_helps

REQUEST_SECONDS = 60.0
RETRY_SECONDS = 3.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
IDLE_CONNECTIONS = 64
STAGE = "the call to the cluster"
JSON, JSON_LINES = "application/json", "application/x-ndjson"


class Answer(dict[str, Any]):
    """The JSON object that a cluster answered with.

    status: HTTP status · repeated: an earlier attempt of this call may have been applied already, so that "created"
    may read as "was there", and "deleted" as "was not".
    """

    def __init__(self, reply: Mapping[str, Any], *, status: int, repeated: bool) -> None:
        super().__init__(reply)
        self.status = status
        self.repeated = repeated


class Connection:
    """A cluster at one URL. Threads may share it.

    Args:
        url: see `read_address`.
        settings: certificates and credentials.
        insecure: whether http may leave this machine.

    Raises:
        InvalidArgument: the URL or a file of the settings cannot be used.
        MissingExtra: requests shall be signed, and botocore is not installed.
    """

    def __init__(self, url: str, settings: ConnectionSettings, *, insecure: bool = False) -> None:
        address = read_address(url, insecure=insecure)
        self.url = address.url
        self._where = f"{THE_CLUSTER} at {address.url}"
        self._wire = _wire(address, settings)

    def __repr__(self) -> str:
        return f"Connection({self.url!r})"

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        lines: Sequence[bytes] | None = None,
        params: Mapping[str, Any] | None = None,
        deadline: float = math.inf,
        allow: Collection[int] = (),
        retry_seconds: float = RETRY_SECONDS,
    ) -> Answer:
        """Send a request and return the answer.

        A connection that is refused or breaks and the statuses 429, 502, 503 and 504 are tried again for
        `retry_seconds`, so requests must be idempotent; `Answer.repeated` tells when one may have met itself.

        Args:
            method: GET, POST, PUT or DELETE.
            path: below the URL, quoted, with a leading slash.
            body: sent as JSON.
            lines: sent as one JSON a line, each without its newline, for _bulk and _msearch.
            params: of the query string; numbers, text, booleans, or lists of text.
            deadline: time.monotonic() instant, in seconds, at which the caller gives up.
            allow: statuses beside 2xx whose body is an answer.
            retry_seconds: how long after the start another attempt may begin; 0 for one attempt.

        Raises:
            Deadline: the caller's time was over.
            StoreUnavailable: nothing answers, or not within REQUEST_SECONDS, or not in JSON.
            PixkinError, ClusterState: what the cluster says, see `faults.TABLE`.
        """
        content, kind = _payload(body, lines)
        last_start = min(deadline, time.monotonic() + retry_seconds)
        repeated = False
        pauses = _pauses()
        while True:
            pause = next(pauses)
            try:
                status, text = self._send(method, path, params, content, kind, deadline, allow)
            except exceptions.TransportError as error:
                if not retry_helps(error) or time.monotonic() + pause >= last_start:
                    raise self._meaning(error, deadline, repeated=repeated) from None
                repeated = repeated or maybe_applied(error)
                time.sleep(pause)
            else:
                return self._answer(text, status, repeated=repeated)

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        self._wire.close()

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        content: bytes | None,
        kind: str,
        deadline: float,
        allow: Collection[int],
    ) -> tuple[int, str]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Deadline(STAGE)
        query = {name: _text(value) for name, value in (params or {}).items()}
        status, _, text = self._wire.perform_request(
            method, path, query, content, min(left, REQUEST_SECONDS), allow, {"content-type": kind}
        )
        return status, text

    def _answer(self, text: str, status: int, *, repeated: bool) -> Answer:
        reply = parsed(text)
        if not isinstance(reply, dict):
            raise not_opensearch(self._where)
        return Answer(reply, status=status, repeated=repeated)

    def _meaning(self, error: exceptions.TransportError, deadline: float, *, repeated: bool) -> Exception:
        if _timed_out(error) and deadline - time.monotonic() < FIRST_PAUSE:
            return Deadline(STAGE)
        meaning = of_library(error, self._where)
        if isinstance(meaning, ClusterState):
            meaning.repeated = repeated
        return meaning


def _wire(address: Address, settings: ConnectionSettings) -> Wire:
    secure = address.scheme == "https"
    return Wire(
        host=address.host,
        port=address.port,
        url_prefix=address.prefix,
        use_ssl=secure,
        ssl_context=tls_context(settings) if secure else None,
        headers=authorization(settings),
        http_auth=signer(settings),
        pool_maxsize=IDLE_CONNECTIONS,
    )


def _payload(body: Mapping[str, Any] | None, lines: Sequence[bytes] | None) -> tuple[bytes | None, str]:
    if lines is not None:
        return b"\n".join([*lines, b""]), JSON_LINES
    if body is None:
        return None, JSON
    try:
        # The library's serializer writes NaN as NaN, which is no JSON.
        return json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode(), JSON
    except ValueError as error:
        raise InvalidArgument(f"a request to {THE_CLUSTER} holds what JSON cannot: {type(error).__name__}") from None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _pauses() -> Iterator[float]:
    """Yield seconds to wait after each attempt, at random so that clients do not come back all at once."""
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1)  # noqa: S311  # no secret
        pause = min(2 * pause, LONGEST_PAUSE)


def _timed_out(error: exceptions.TransportError) -> bool:
    connecting = isinstance(error.info, ConnectTimeoutError) and not isinstance(error.info, NewConnectionError)
    return isinstance(error, exceptions.ConnectionTimeout) or connecting
