"""The painless scripts in a cluster: registered once, compared before they are relied on, deleted when they are old."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pixkin_proto.errors import ScriptsMissing, StoreDenied

from pixkin_scoring.painless import PREFIX, Script, script, scripts
from pixkin_scoring.stores.opensearch.answers import part
from pixkin_scoring.stores.opensearch.connection import Connection

BELIEVED_SECONDS = 5.0
"""How long a script is believed to be as it was: one that was edited by hand ranks wrongly for this time at most."""
CURRENT, MISSING, EDITED, OLD, FOREIGN = "current", "missing", "edited", "old", "foreign"
_SAID = {MISSING: "is missing", EDITED: "was edited by hand"}
_HINDERED = {"value": "{} cannot be ranked", "score": "queries of your own that score by {} go wrong"}
_OURS = re.compile(PREFIX + r"[a-z0-9_]+-[a-z0-9]+-(value|score)-[0-9a-f]{12}")


@dataclass(frozen=True)
class StoredScript:
    """A script in the cluster whose id begins with `pixkin-`, or one that should be there.

    state: CURRENT · MISSING · EDITED, by hand · OLD, of another version of pixkin · FOREIGN, an id that pixkin never
    makes.
    """

    id: str
    state: str


def register_scripts(connection: Connection, *, deadline: float = math.inf) -> list[StoredScript]:
    """Store the scripts that are missing or were edited by hand, and return what they were.

    Raises StoreDenied when the role may not see or not write scripts.
    """
    wrong = _wrong(connection, deadline=deadline)
    for each, _ in wrong:
        body = {"script": {"lang": "painless", "source": each.source}}
        connection.ask("PUT", f"/_scripts/{each.id}/{each.context}", body=body, deadline=deadline)
    return [StoredScript(each.id, state) for each, state in wrong]


def verify_scripts(connection: Connection, *, deadline: float = math.inf) -> Iterator[str]:
    """Yield a sentence for each script that is missing or was edited by hand."""
    for each, state in _wrong(connection, deadline=deadline):
        yield _complaint(connection, each, state)


def list_scripts(connection: Connection, *, deadline: float = math.inf) -> list[StoredScript]:
    """Return all scripts whose ids begin with `pixkin-`, and those that should be there, by id."""
    stored = _stored(connection, deadline=deadline)
    ours = {each.id: each.source for each in scripts()}
    states = {id_: _state(stored.get(id_), source) for id_, source in ours.items()}
    others = {id_: OLD if _OURS.fullmatch(id_) else FOREIGN for id_ in stored if id_ not in ours}
    return [StoredScript(id_, state) for id_, state in sorted({**states, **others}.items())]


def delete_script(connection: Connection, id_: str, *, deadline: float = math.inf) -> None:
    """Delete a script; one that is gone already is no error."""
    connection.ask("DELETE", f"/_scripts/{id_}", deadline=deadline, allow=(404,))


class ScriptGuard:
    """Looks whether a measure's script is what pixkin registered, at most every BELIEVED_SECONDS. Threads may share it.

    A script that somebody edited ranks wrongly and says nothing.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._believed: dict[str, float] = {}

    def check(self, measure: str, *, deadline: float = math.inf) -> None:
        """Raise ScriptsMissing when the measure's value script is missing or was edited by hand."""
        if time.monotonic() < self._believed.get(measure, -math.inf):
            return
        wanted = script(measure, "value")
        try:
            found = _source(self._connection, wanted.id, deadline=deadline)
        except StoreDenied:  # a role that only searches need not see scripts
            found = wanted.source
        state = _state(found, wanted.source)
        if state != CURRENT:
            self._believed.pop(measure, None)
            raise ScriptsMissing(_complaint(self._connection, wanted, state))
        self._believed[measure] = time.monotonic() + BELIEVED_SECONDS


def _wrong(connection: Connection, *, deadline: float) -> list[tuple[Script, str]]:
    states = [(each, _state(_source(connection, each.id, deadline=deadline), each.source)) for each in scripts()]
    return [(each, state) for each, state in states if state != CURRENT]


def _state(found: str | None, wanted: str) -> str:
    if found is None:
        return MISSING
    return CURRENT if found == wanted else EDITED


def _complaint(connection: Connection, wanted: Script, state: str) -> str:
    return (
        f"the cluster's script {wanted.id} {_SAID[state]}, so {_HINDERED[wanted.returns].format(wanted.measure)}; "
        f"put it right with: pixkin scripts register --store {connection.url}"
    )


def _source(connection: Connection, id_: str, *, deadline: float) -> str | None:
    reply = connection.ask("GET", f"/_scripts/{id_}", deadline=deadline, allow=(404,))
    return _text(reply.get("script")) if part(reply, "found", bool) else None


def _stored(connection: Connection, *, deadline: float) -> dict[str, str | None]:
    reply = connection.ask(
        "GET", "/_cluster/state/metadata", params={"filter_path": "metadata.stored_scripts"}, deadline=deadline
    )
    stored = reply.get("metadata", {}).get("stored_scripts", {})
    return {id_: _text(each) for id_, each in stored.items() if id_.startswith(PREFIX)}


def _text(stored: object) -> str | None:
    return str(stored.get("source")) if isinstance(stored, dict) else None
