"""What a cluster answers when it does not do what was asked, as errors of pixkin: the one place of translation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pixkin_proto.errors import (
    Internal,
    InvalidArgument,
    InvalidPlan,
    Overloaded,
    PartialResult,
    PixkinError,
    ScriptsMissing,
    StoreDenied,
    StoreFormat,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

from pixkin_scoring.stores.opensearch.causes import Cause, causes_of, chain, quoted

THE_CLUSTER = "the cluster"


class ClusterState(Exception):
    """What a cluster says of its own state, for the store to turn into an error that names the collection.

    `repeated`: an earlier attempt of the same call may have been applied, so that the call may have met itself.
    """

    repeated = False


class IndexMissing(ClusterState):
    """There is no such index or alias."""


class IndexExists(ClusterState):
    """An index or alias of this name is there already."""


class VersionConflict(ClusterState):
    """The document is there already, or another writer changed it in between."""


@dataclass(frozen=True)
class Row:
    """An answer and its counterpart.

    `type`, `text` (part of the reason) and `status` must all fit; an empty one fits everything. `says` is the message,
    with {where}, {status} and {reason}.
    """

    leaf: type[Exception]
    says: str
    type: str = ""
    text: str = ""
    status: int = 0

    def match(self, status: int, causes: tuple[Cause, ...]) -> Cause | None:
        """Return the cause that this row is about, None when it does not fit."""
        if self.status not in {0, status}:
            return None
        if not self.type and not self.text:
            return causes[-1] if causes else Cause("", "it gives no reason")
        return next((cause for cause in causes if self.type in {"", cause.type} and self.text in cause.reason), None)


_FULL = "{where} takes no more data: {reason}; free disk space or add nodes and repeat: what was acknowledged is stored"
_READ_ONLY = "{where} may be read but not written now: {reason}; lift the block and repeat"
_UNREADABLE = "{where} holds an index that a block keeps from being read: {reason}; lift the block and repeat"
_NOT_NOW = "{where} cannot do this now: {reason}; repeat when it is well"
_BUSY = "{where} has more work than it can take: {reason}; try again later, or with fewer calls at a time"
_FORBIDDEN = "{where} forbids this to us: {reason}; docs/opensearch-security.md lists the permissions that pixkin needs"
_BY_HAND = "{where} holds a collection that is not as pixkin made it: {reason}; see: pixkin index verify"
_NO_SCRIPT = "{where} lacks a script of pixkin: {reason}; register it with: pixkin scripts register --store URL"
_NO_KNN = "{where} has no k-NN plugin ({reason}); use exact candidates, or install it on every node"
_ITEM = "{where} did not take the item: {reason}"

TABLE = (
    # A block comes with status 403 or 429, which mean something else without one.
    Row(StoreFull, _FULL, type="cluster_block_exception", text="allow-delete"),
    Row(StoreFull, _FULL, type="cluster_block_exception", text="allow delete"),
    Row(StoreFull, _FULL, type="index_create_block_exception"),
    Row(StoreUnavailable, _NOT_NOW, type="cluster_block_exception", text="SERVICE_UNAVAILABLE"),
    Row(StoreReadOnly, _UNREADABLE, type="cluster_block_exception", text="index read (api)"),
    Row(StoreReadOnly, _UNREADABLE, type="cluster_block_exception", text="index metadata (api)"),
    Row(StoreReadOnly, _READ_ONLY, type="cluster_block_exception"),
    Row(StoreReadOnly, _READ_ONLY, type="snapshot_in_progress_exception"),
    Row(StoreFull, _FULL, text="maximum shards open"),
    Row(StoreFull, _FULL, text="No space left on device"),
    Row(
        StoreDenied,
        "{where} asks for credentials or does not accept ours; check PIXKIN_OPENSEARCH_USER and _PASSWORD, _TOKEN, "
        "_SIGV4 or _CLIENT_CERT",
        status=401,
    ),
    Row(StoreDenied, _FORBIDDEN, type="security_exception"),
    Row(ScriptsMissing, _NO_SCRIPT, text="unable to find script"),
    Row(ScriptsMissing, _NO_SCRIPT, type="script_exception", text="compile error"),
    Row(
        StoreDenied,
        "{where} forbids scripts: {reason}; script.allowed_contexts must have number_sort and score",
        text="cannot execute scripts using [",
    ),
    Row(StoreDenied, "{where} forbids scripts: {reason}; script.allowed_types must be stored", text="cannot execute ["),
    Row(IndexMissing, "{reason}", type="index_not_found_exception"),
    Row(IndexMissing, "{reason}", type="aliases_not_found_exception"),
    Row(IndexExists, "{reason}", type="resource_already_exists_exception"),
    Row(IndexExists, "{reason}", type="invalid_index_name_exception", text="already exists as alias"),
    Row(IndexExists, "{reason}", type="invalid_alias_name_exception", text="exists with the same name"),
    Row(VersionConflict, "{reason}", type="version_conflict_engine_exception"),
    Row(Overloaded, _BUSY, type="circuit_breaking_exception"),
    Row(Overloaded, _BUSY, type="opensearch_rejected_execution_exception"),
    Row(Overloaded, _BUSY, type="rejected_execution_exception"),
    Row(Overloaded, _BUSY, status=429),
    Row(
        InvalidArgument,
        "{where} takes no request of this size; send smaller items, or raise its http.max_content_length",
        status=413,
    ),
    Row(InvalidPlan, _NO_KNN, text="unknown query [knn]"),
    Row(InvalidPlan, _NO_KNN, text="unknown setting [index.knn"),
    Row(InvalidPlan, _NO_KNN, text="No handler for type [knn_vector]"),
    Row(StoreUnavailable, "{where} has closed the index: {reason}; open it again", type="index_closed_exception"),
    Row(StoreFormat, _BY_HAND, text="No field found for"),
    Row(StoreFormat, _BY_HAND, text="cannot be changed from type"),
    Row(StoreFormat, _BY_HAND, text="Limit of total fields"),
    Row(StoreFormat, _BY_HAND, text="fielddata"),
    Row(StoreFormat, _BY_HAND, type="script_exception"),
    Row(StoreFormat, _BY_HAND, type="query_shard_exception"),
    Row(StoreFormat, _BY_HAND, type="mapper_parsing_exception"),
    Row(StoreFormat, _BY_HAND, type="strict_dynamic_mapping_exception"),
    Row(
        StoreUnavailable, "{where} does not know a call of pixkin: {reason}; is it OpenSearch?", text="no handler found"
    ),
    Row(StoreDenied, _FORBIDDEN, status=403),
    Row(StoreUnavailable, "{where} has nothing at this address: {reason} (404); check the URL", status=404),
    Row(VersionConflict, "{reason}", status=409),
    Row(Internal, "{where} refused a request of pixkin: {reason}", status=400),
    Row(StoreUnavailable, "{where} answered with status {status}: {reason}; repeat, or see its log"),
)
"""Every answer that is none; the first row that fits counts, and the last fits all."""

ITEM_TABLE = (
    Row(
        InvalidArgument,
        "{where} did not take the item: {reason}; each name of a number attribute is a field: use fewer names, or text "
        "for what is never compared",
        text="Limit of total fields",
    ),
    Row(InvalidArgument, _ITEM, type="mapper_parsing_exception"),
    Row(InvalidArgument, _ITEM, type="illegal_argument_exception"),
    Row(InvalidArgument, _ITEM, type="action_request_validation_exception"),
    Row(InvalidArgument, _ITEM, status=413),
    *TABLE,
)
"""The same for one item of a _bulk answer, where what cannot be stored is the item's fault."""


def of_answer(status: int, body: object, where: str = THE_CLUSTER) -> Exception:
    """Return the PixkinError or ClusterState that an answer means.

    Args:
        status: HTTP status; 0 when only the error is known, as for a failed shard.
        body: the parsed JSON, or anything else (a proxy's page), which is not quoted: it may echo our request.
        where: what answered, for the message.
    """
    return _first_fit(TABLE, status, causes_of(body), where)


def item_error(status: int, error: Mapping[str, Any]) -> PixkinError:
    """Return what `status` and `error` of one item of a _bulk answer mean.

    A conflict is StoreLocked here and a missing index StoreUnavailable: a caller that knows more looks at the status
    (409, 404) first.
    """
    found = _first_fit(ITEM_TABLE, status, tuple(chain(error)), THE_CLUSTER)
    if isinstance(found, PixkinError):
        return found
    if isinstance(found, VersionConflict):
        return PixkinError.rebuild("STORE_LOCKED", "another writer changed the item in between; repeat", {})
    return StoreUnavailable(f"{THE_CLUSTER} did not take the item: {found}; repeat")


def not_opensearch(where: str = THE_CLUSTER) -> StoreUnavailable:
    """Return the error for an answer that cannot be read."""
    return StoreUnavailable(f"{where} answered with something that is not OpenSearch's JSON; is a proxy in between?")


def check_search(reply: Mapping[str, Any], *, allow_partial: bool) -> str:
    """Return what did not answer a search, empty when everything did.

    A search that failed must never look like one that found nothing.

    Args:
        reply: the answer of _search, or one of the `responses` of _msearch.
        allow_partial: whether the hits of the shards that answered in time are wanted without the others.

    Raises:
        PartialResult: shards failed, or their time was over, and that is not allowed.
        StoreUnavailable: this is no answer to a search.
        PixkinError, ClusterState: no shard answered; by the cause of the first failure.
    """
    hits = reply.get("hits")
    if "error" not in reply and not (isinstance(hits, Mapping) and isinstance(hits.get("hits"), list)):
        raise not_opensearch()
    return check_shards(reply, allow_partial=allow_partial)


def check_shards(reply: Mapping[str, Any], *, allow_partial: bool = False) -> str:
    """Return which shards did not answer, as `check_search` does, for answers without hits (_count)."""
    if "error" in reply:
        raise of_answer(_whole(reply, "status"), reply)
    shards = reply.get("_shards")
    if not isinstance(shards, Mapping):
        raise not_opensearch()
    total, answered = _whole(shards, "total"), _whole(shards, "successful")
    causes = _first_failure(shards)
    if answered < 1:
        raise _first_fit(TABLE, 0, causes, THE_CLUSTER)
    missing = _missing(total - answered, total, causes, timed_out=bool(reply.get("timed_out")))
    if missing and not allow_partial:
        raise PartialResult(f"the answer would be incomplete: {missing}; repeat, or allow partial results")
    return missing


def _missing(failed: int, total: int, causes: tuple[Cause, ...], *, timed_out: bool) -> str:
    reason = f" ({quoted(causes[-1].reason)})" if causes else ""
    parts = (f"{failed} of {total} shards failed{reason}" if failed else "", "time was over" if timed_out else "")
    return " and ".join(part for part in parts if part)


def _first_failure(shards: Mapping[str, Any]) -> tuple[Cause, ...]:
    failures = shards.get("failures")
    first = failures[0] if isinstance(failures, list) and failures else None
    return tuple(chain(first.get("reason"))) if isinstance(first, Mapping) else ()


def _first_fit(table: tuple[Row, ...], status: int, causes: tuple[Cause, ...], where: str) -> Exception:
    row, cause = next((row, cause) for row in table if (cause := row.match(status, causes)))
    return _make(row.leaf, row.says.format(where=where, status=status or "unknown", reason=quoted(cause.reason)))


def _make(leaf: type[Exception], message: str) -> Exception:
    if issubclass(leaf, Overloaded):  # its own sentence is about calls that wait in this process
        return PixkinError.rebuild(Overloaded.reason, message, {"stage": THE_CLUSTER, "waiting": 0})
    return leaf(message)


def _whole(reply: Mapping[str, Any], key: str) -> int:
    value = reply.get(key)
    return value if isinstance(value, int) else 0
