"""The claim of a command on a collection as a whole: the cluster decides which of two was first.

An index that nobody has claimed has the alias INDEX.free. A command puts its own claim in the place of that alias, in
one request that the cluster refuses when the alias is not there any more. A claim that keeps writers off takes the
alias that they write through as well. Whatever ends the command's work names the claim again, so that a command whose
claim was taken away changes nothing.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pixkin_proto.errors import PixkinError, StoreReadOnly

from pixkin_scoring.stores.opensearch.answers import acknowledged
from pixkin_scoring.stores.opensearch.connection import Connection
from pixkin_scoring.stores.opensearch.faults import IndexMissing
from pixkin_scoring.stores.opensearch.index import Index, find_index
from pixkin_scoring.stores.opensearch.mapping import claim_alias, free_alias, write_alias

REINDEX, ROLLBACK, DECLARE, UNDECLARE = "reindex", "rollback", "declare", "undeclare"
SAID = {
    REINDEX: "`index reindex`",
    ROLLBACK: "`index rollback`",
    DECLARE: "the adding of a descriptor",
    UNDECLARE: "the removal of a descriptor",
}
SHORT_SECONDS = 300.0
"""After so long the claim of a command that needs seconds was left by one that was killed, and the next takes it."""
PAUSE = 0.1
LAST_SECONDS = 0.2
"""How long the end of a short claim is waited for when the caller's time is over; the cluster may do it later."""
CLUSTER_SECONDS = 60.0
"""How long the making of an index or a change of aliases may take."""

_FORM = re.compile(r"(?P<what>[a-z]+)\.(?P<since>\d+)\.(?P<pid>\d+)\.(?P<host>[a-z0-9-]*)\.[0-9a-f]+")
Act = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Claim:
    """A claim that stands. alias: what it is in the cluster · what: the command · since: of time.time()."""

    alias: str
    what: str
    since: float
    pid: str
    host: str

    def __str__(self) -> str:
        """Return who holds the claim, in words."""
        began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.since))
        return f"{SAID.get(self.what, self.what)} (process {self.pid} on {self.host}, since {began})"

    @property
    def left(self) -> bool:
        """Whether whoever made it must be gone; a re-index may take any time, so nobody can tell of one."""
        return self.what != REINDEX and time.time() - self.since > SHORT_SECONDS


def claim_on(index: Index) -> Claim | None:
    """Return the claim that stands on an index, None where nobody has claimed it."""
    begin = claim_alias(index.name, "")
    for alias in sorted(index.aliases):
        form = _FORM.fullmatch(alias.removeprefix(begin)) if alias.startswith(begin) else None
        if form:
            return Claim(alias, form["what"], float(form["since"]), form["pid"], form["host"])
    return None


def claimed(index: Index, claim: Claim) -> StoreReadOnly:
    """Return the error for what cannot be done while another command has the collection."""
    return StoreReadOnly(
        f"collection {index.collection} is held by {claim}; try again when that is done, or, if it was cut off, end "
        f"its claim with: pixkin index unlock {index.collection}"
    )


def overtaken(collection: str) -> StoreReadOnly:
    """Return the error for a change that another command on the same collection came before."""
    return StoreReadOnly(
        f"collection {collection} was re-indexed, rolled back, dropped or unlocked by another command meanwhile, so "
        "this one was not done; see how it is with: pixkin index describe, and repeat"
    )


@contextlib.contextmanager
def holding(connection: Connection, index: Index, what: str, *, alone: bool, deadline: float) -> Iterator[Claim]:
    """Hold a claim on an index for as long as the block runs.

    alone: nobody else may write meanwhile, and the block itself ends the claim as it moves the alias. Waits for a
    command that needs seconds until the deadline. Raises StoreReadOnly when another command holds the collection, or
    the alias names another index by now.
    """
    claim = _take(connection, index, what, alone=alone, deadline=deadline)
    try:
        yield claim
    except BaseException:
        with contextlib.suppress(PixkinError):  # the first error says what happened; whoever meets the claim is told
            end = soon() if alone else max(deadline, time.monotonic() + LAST_SECONDS)
            give_back(connection, index.name, claim, deadline=end)
        raise
    if not alone:
        give_back(connection, index.name, claim, deadline=deadline)


def give_back(connection: Connection, index: str, claim: Claim, *, deadline: float) -> None:
    """End a claim, so that everybody may write again, unless something else has ended it."""
    acts = [away(index, claim.alias), put(index, free_alias(index)), put(index, write_alias(index))]
    change_aliases(connection, acts, deadline=deadline)


def change_aliases(connection: Connection, acts: Iterable[Act], *, deadline: float = math.inf) -> bool:
    """Change aliases, all of them or none; returns False when one that must be there is not."""
    try:
        body = {"actions": list(acts)}
        acknowledged(connection.ask("POST", "/_aliases", body=body, deadline=min(deadline, soon())))
    except IndexMissing:
        return False
    return True


def soon() -> float:
    """Return until when the making of an index or a change of aliases may take."""
    return time.monotonic() + CLUSTER_SECONDS


def away(index: str, alias: str) -> Act:
    """Return the action that takes an alias from an index, and fails the request where it is not there."""
    return {"remove": {"index": index, "alias": alias, "must_exist": True}}


def put(index: str, alias: str) -> Act:
    """Return the action that gives an index an alias."""
    return {"add": {"index": index, "alias": alias}}


def _take(connection: Connection, index: Index, what: str, *, alone: bool, deadline: float) -> Claim:
    own = _new(index, what)
    while True:
        now = find_index(connection, index.collection, deadline=deadline)
        if (now.name, now.uuid) != (index.name, index.uuid):
            raise overtaken(index.collection)
        held = claim_on(now)
        if held == own:  # taken by a request whose answer was lost
            return own
        if held and not held.left:
            if held.what == REINDEX or time.monotonic() + PAUSE > deadline:
                raise claimed(now, held)
            time.sleep(PAUSE)
        elif not held and not now.aliases & {free_alias(now.name), write_alias(now.name)}:  # removed by hand
            acts = [put(now.name, free_alias(now.name)), put(now.name, write_alias(now.name))]
            change_aliases(connection, acts, deadline=deadline)
        elif change_aliases(connection, _taking(now, held, own, alone=alone), deadline=deadline):
            return own


def _taking(index: Index, held: Claim | None, own: Claim, *, alone: bool) -> list[Act]:
    name, free, writes = index.name, free_alias(index.name), write_alias(index.name)
    acts = [away(name, held.alias)] if held else []
    acts += [away(name, free)] if free in index.aliases else []
    if writes in index.aliases:  # the one that a collection of pixkin 0.1.0 has; nobody else holds it alone then
        acts += [away(name, writes)]
    acts += [put(name, own.alias)]
    return acts if alone else [*acts, put(name, writes)]


def _new(index: Index, what: str) -> Claim:
    host = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower())[:40]
    since, pid = int(time.time()), str(os.getpid())
    alias = claim_alias(index.name, f"{what}.{since}.{pid}.{host}.{uuid.uuid4().hex[:12]}")
    return Claim(alias, what, float(since), pid, host)
