"""Every error that pixkin raises, over gRPC too.

    PixkinError
    ├── InvalidInput ─┬ InvalidImage, InvalidCrop, InvalidName, InvalidId, InvalidSize, InvalidFilter,
    │                 │ InvalidArgument, InvalidExtractor, InvalidPlan, UnknownMeasure, AmbiguousName,
    │                 │ MeasureNotApplicable,
    │                 └ DimensionMismatch, NotFinite, ZeroVector, TooLarge, UnsupportedType, WrongMethod
    ├── NotFound ─────── UnknownCollection, UnknownDescriptor, UnknownItem, UnknownExtractor, UnknownRoute, NoPicture
    ├── CollectionExists
    ├── NotReady ─────── ExtractorMismatch, ScriptsMissing, StoreLocked, StoreReadOnly, StoreFormat, ProviderMissing,
    │                    ForkedProcess
    ├── Denied ───────── StoreDenied, WritesDisabled, OriginalsDisabled, ForeignHost, ForeignOrigin
    ├── NotImplementedYet
    ├── Exhausted ────── Overloaded, StoreFull, OutOfMemory
    ├── Unavailable ──── StoreUnavailable, PartialResult, ServerUnavailable
    ├── Deadline
    ├── MissingExtra
    └── Internal

A leaf is one situation. Its `reason` is what programs test; its message says what came, what is allowed and what to do
next; its data are attributes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pixkin_proto.suggestions import did_you_mean

Datum = str | int | float | bool | list[str] | None


class PixkinError(Exception):
    """Root of all errors of pixkin."""

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, **data: Datum) -> None:
        super().__init__(message)
        self.message = message
        self.data = data
        self.__dict__.update(data)

    @staticmethod
    def rebuild(reason: str, message: str, data: dict[str, Datum]) -> PixkinError:
        """Return the error that another process raised; an unknown reason becomes Internal."""
        leaf = LEAVES.get(reason, Internal)
        error = leaf.__new__(leaf)
        PixkinError.__init__(error, message, **data)
        return error


def listed(names: Iterable[str], *, most: int = 12) -> str:
    """Return names for a message, cut after `most`."""
    known = sorted(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return (", ".join(known[:most]) or "none") + more


class InvalidInput(PixkinError):
    """The request cannot be answered as it came."""


class InvalidImage(InvalidInput):
    """The bytes are no picture that pixkin accepts; `detail` is one of `DETAILS`."""

    reason = "INVALID_IMAGE"
    DETAILS = ("empty", "too_large", "unsupported_format", "corrupt", "too_many_pixels", "too_complex")
    detail: str

    def __init__(self, detail: str, message: str) -> None:
        super().__init__(f"{message} ({detail})", detail=detail)


class InvalidCrop(InvalidInput):
    """A crop box has no area or leaves the picture."""

    reason = "INVALID_CROP"


class InvalidName(InvalidInput):
    """A name of a collection, extractor or descriptor breaks the rule."""

    reason = "INVALID_NAME"


class InvalidId(InvalidInput):
    """An id is empty, too long, no valid UTF-8, or belongs to another folder."""

    reason = "INVALID_ID"


class InvalidSize(InvalidInput):
    """`size` or `offset` is out of range."""

    reason = "INVALID_SIZE"


class InvalidFilter(InvalidInput):
    """A filter condition cannot be read."""

    reason = "INVALID_FILTER"


class InvalidArgument(InvalidInput):
    """A part of a request is missing, or is no possible value of its field."""

    reason = "INVALID_ARGUMENT"


class InvalidExtractor(InvalidInput):
    """A file is no extractor, or does not compute what it says."""

    reason = "INVALID_EXTRACTOR"


class InvalidPlan(InvalidInput):
    """A plan's stage is unknown, ill-formed or impossible here."""

    reason = "INVALID_PLAN"


class UnknownMeasure(InvalidInput):
    """No measure has this name."""

    reason = "UNKNOWN_MEASURE"
    measure: str

    def __init__(self, measure: str, known: Iterable[str]) -> None:
        super().__init__(
            f"there is no measure '{measure}'{did_you_mean(measure, known)}; choose one of {listed(known)}",
            measure=measure,
        )


class AmbiguousName(InvalidInput):
    """Several descriptors or extractors fit, and the request names none, or one by a name that they share."""

    reason = "AMBIGUOUS_NAME"
    name: str
    candidates: list[str]

    def __init__(self, kind: str, name: str, candidates: Iterable[str]) -> None:
        names = sorted(candidates)
        asked = f"'{name}' names no single {kind}" if name else f"name the {kind} to use"
        super().__init__(f"{asked}; choose one of {listed(names)}", name=name, candidates=names)


class MeasureNotApplicable(InvalidInput):
    """A mass measure was asked of a descriptor that may be negative."""

    reason = "MEASURE_NOT_APPLICABLE"
    measure: str
    descriptor: str

    def __init__(self, measure: str, descriptor: str, allowed: Iterable[str]) -> None:
        super().__init__(
            f"{measure} compares non-negative vectors and {descriptor} may be negative; use {listed(allowed)}",
            measure=measure,
            descriptor=descriptor,
        )


class DimensionMismatch(InvalidInput):
    """A vector has another length than its descriptor."""

    reason = "DIMENSION_MISMATCH"
    descriptor: str
    expected: int
    got: int

    def __init__(self, descriptor: str, *, expected: int, got: int) -> None:
        super().__init__(
            f"{descriptor} has {expected} dimensions, the vector has {got}; "
            "embed the picture with the collection's own extractor",
            descriptor=descriptor,
            expected=expected,
            got=got,
        )


class NotFinite(InvalidInput):
    """A vector has a component that is NaN, infinite or beyond ±1e15."""

    reason = "NOT_FINITE"
    descriptor: str

    def __init__(self, descriptor: str) -> None:
        super().__init__(
            f"the vector for {descriptor} has a component that is NaN, infinite or beyond ±1e15; only finite "
            "components are stored and searched",
            descriptor=descriptor,
        )


class ZeroVector(InvalidInput):
    """A query vector is zero, so cosine, angular and the mass measures are undefined."""

    reason = "ZERO_VECTOR"
    measure: str

    def __init__(self, measure: str) -> None:
        super().__init__(
            f"the query vector is zero, so {measure} is undefined; use another picture, or euclidean or manhattan",
            measure=measure,
        )


class TooLarge(InvalidInput):
    """A request has more bytes than a server takes."""

    reason = "TOO_LARGE"
    limit: int

    def __init__(self, what: str, limit: int, advice: str = "send less at a time") -> None:
        super().__init__(f"{what} has more than {limit:,} bytes; {advice}", limit=limit)


class UnsupportedType(InvalidInput):
    """A request over HTTP has another content type than its route takes."""

    reason = "UNSUPPORTED_TYPE"

    def __init__(self, got: str, allowed: Iterable[str]) -> None:
        came = f"the content type {got!r}" if got else "no content type"
        super().__init__(f"the request has {came}; send it as {' or '.join(allowed)}")


class WrongMethod(InvalidInput):
    """A path over HTTP is there, but not with this method."""

    reason = "WRONG_METHOD"
    allowed: list[str]

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        known = sorted(allowed)
        super().__init__(f"this path takes no {method}; use {listed(known)}", allowed=known)


class NotFound(PixkinError):
    """A name or id is not there."""


class UnknownCollection(NotFound):
    """The store has no such collection."""

    reason = "UNKNOWN_COLLECTION"
    collection: str

    def __init__(self, collection: str, known: Iterable[str], store: str = "this store") -> None:
        names = list(known)
        meant = did_you_mean(collection, names)
        made = "" if meant else f"; a new one is made by: pixkin index create {collection}"
        super().__init__(
            f"there is no collection '{collection}'{meant} in {store} (it has: {listed(names)}); "
            f"name one of these or another --store{made}",
            collection=collection,
        )


class UnknownDescriptor(NotFound):
    """The collection or extractor has no such descriptor."""

    reason = "UNKNOWN_DESCRIPTOR"
    descriptor: str

    def __init__(self, descriptor: str, candidates: Iterable[str]) -> None:
        names = list(candidates)
        super().__init__(
            f"there is no descriptor '{descriptor}'{did_you_mean(descriptor, names)}; choose one of {listed(names)}",
            descriptor=descriptor,
        )


class UnknownItem(NotFound):
    """The collection has no item with this id."""

    reason = "UNKNOWN_ITEM"
    collection: str
    item: str

    def __init__(self, collection: str, item: str) -> None:
        super().__init__(
            f"collection {collection} has no item '{item}'; see: pixkin index list {collection}",
            collection=collection,
            item=item,
        )


class UnknownExtractor(NotFound):
    """The extractor directory has no such extractor."""

    reason = "UNKNOWN_EXTRACTOR"
    extractor: str

    def __init__(self, extractor: str, directory: str, known: Iterable[str]) -> None:
        names = list(known)
        meant = did_you_mean(extractor, names)
        missing = f"there is no extractor '{extractor}'{meant}" if extractor else "there is no extractor"
        todo = "name one of these" if meant else f"make it with: pixkin export-model {extractor or 'NAME'}"
        super().__init__(f"{missing} in {directory} (there are: {listed(names)}); {todo}", extractor=extractor)


class UnknownRoute(NotFound):
    """There is nothing at this path over HTTP."""

    reason = "UNKNOWN_ROUTE"

    def __init__(self, path: str) -> None:
        super().__init__(f"there is nothing at {path[:200]}; /v1/openapi.json lists what there is")


class NoPicture(NotFound):
    """An item has no thumbnail, or the picture that it came from cannot be shown."""

    reason = "NO_PICTURE"


class CollectionExists(PixkinError):
    """A collection of this name is there already."""

    reason = "COLLECTION_EXISTS"
    collection: str

    def __init__(self, collection: str) -> None:
        super().__init__(
            f"collection '{collection}' is there already; choose another name or drop it with: "
            f"pixkin index drop {collection}",
            collection=collection,
        )


class NotReady(PixkinError):
    """The system is not in the state that the call needs."""


class ExtractorMismatch(NotReady):
    """A collection was made by another extractor than the one at hand."""

    reason = "EXTRACTOR_MISMATCH"
    extractor: str
    collection: str
    expected: str
    got: str

    def __init__(self, extractor: str, *, collection: str, expected: str, got: str) -> None:
        super().__init__(
            f"collection {collection} was made with {extractor} {expected[:12]}, but the extractor directory has "
            f"{extractor} {got[:12] or 'in no version'}; their vectors must not be mixed: put the first file back, or "
            "build a new collection with the second",
            extractor=extractor,
            collection=collection,
            expected=expected,
            got=got,
        )


class ScriptsMissing(NotReady):
    """The cluster lacks pixkin's stored scripts."""

    reason = "SCRIPTS_MISSING"


class StoreLocked(NotReady):
    """Another process writes to the collection, and the deadline passed before it was done."""

    reason = "STORE_LOCKED"
    collection: str
    pid: str

    def __init__(self, collection: str, pid: str) -> None:
        who = f"process {pid}" if pid else "another program"
        super().__init__(
            f"collection {collection} is being written by {who}; try again when it is done, or allow more time",
            collection=collection,
            pid=pid,
        )


class StoreReadOnly(NotReady):
    """The store may be read but not written."""

    reason = "STORE_READ_ONLY"


class StoreFormat(NotReady):
    """The store was written by a newer pixkin, or is no store."""

    reason = "STORE_FORMAT"


class ProviderMissing(NotReady):
    """The wanted ONNX Runtime provider is not there."""

    reason = "PROVIDER_MISSING"


class ForkedProcess(NotReady):
    """A process was forked from one that had threads at work, which it lacks."""

    reason = "FORKED_PROCESS"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"{why}; open an engine in each process, and start those with multiprocessing's spawn or forkserver"
        )


class Denied(PixkinError):
    """The caller may not do this."""


class StoreDenied(Denied):
    """The cluster refused the credentials or the role, or the files of a store may not be read."""

    reason = "STORE_DENIED"


class WritesDisabled(Denied):
    """The server does not take writes."""

    reason = "WRITES_DISABLED"


class OriginalsDisabled(Denied):
    """The server does not show the files that items came from."""

    reason = "ORIGINALS_DISABLED"

    def __init__(self) -> None:
        super().__init__(
            "this server shows no original files; start it with --originals FOLDER, or ask for the thumbnail"
        )


class ForeignHost(Denied):
    """A request over HTTP names a host that the server does not answer for."""

    reason = "FOREIGN_HOST"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"this server does not answer for the host {host[:200]!r}; call it by its address, or start it with "
            "--http-host NAME"
        )


class ForeignOrigin(Denied):
    """A page of another origin calls over HTTP."""

    reason = "FOREIGN_ORIGIN"

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"pages of {origin[:200]} may not call this server; it takes them when started with --cors-origin ORIGIN"
        )


class NotImplementedYet(PixkinError):
    """A named feature that this version does not have."""

    reason = "NOT_IMPLEMENTED"
    feature: str

    def __init__(self, feature: str) -> None:
        super().__init__(f"{feature} is not in this version of pixkin", feature=feature)


class Exhausted(PixkinError):
    """A limit of the machine was reached."""


class Overloaded(Exhausted):
    """Too many calls wait already."""

    reason = "OVERLOADED"
    stage: str
    waiting: int

    def __init__(self, stage: str, waiting: int) -> None:
        super().__init__(
            f"{waiting} calls wait for {stage} already; try again with fewer at a time", stage=stage, waiting=waiting
        )


class StoreFull(Exhausted):
    """The disk, or the space that the store may use, is full."""

    reason = "STORE_FULL"


class OutOfMemory(Exhausted):
    """This process cannot have the memory that the work needs."""

    reason = "OUT_OF_MEMORY"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"there is not enough memory for {what}; free some, allow the process more (see: ulimit -v, and the limit "
            "of its container), or do less at a time"
        )


class Unavailable(PixkinError):
    """Something outside this process does not answer."""


class StoreUnavailable(Unavailable):
    """The store cannot be reached."""

    reason = "STORE_UNAVAILABLE"


class PartialResult(Unavailable):
    """A part of the shards did not answer."""

    reason = "PARTIAL_RESULT"


class ServerUnavailable(Unavailable):
    """No pixkin server answers at the address."""

    reason = "SERVER_UNAVAILABLE"
    address: str

    def __init__(self, address: str) -> None:
        super().__init__(f"no pixkin server answers at {address}; start one with: pixkin serve", address=address)


class Deadline(PixkinError):
    """The caller's time was over before the answer was ready."""

    reason = "DEADLINE"
    stage: str

    def __init__(self, stage: str) -> None:
        super().__init__(f"the deadline passed during {stage}; allow more time or ask for less", stage=stage)


class MissingExtra(PixkinError):
    """An optional part of pixkin is not installed."""

    reason = "MISSING_EXTRA"
    extra: str

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an extra; install it with: pip install 'pixkin[{extra}]'", extra=extra)


class Internal(PixkinError):
    """A defect of pixkin; `correlation` finds it in the server's log."""

    reason = "INTERNAL"
    correlation: str


def _leaves(cls: type[PixkinError]) -> Iterable[type[PixkinError]]:
    children = cls.__subclasses__()
    return [leaf for child in children for leaf in _leaves(child)] if children else [cls]


LEAVES: dict[str, type[PixkinError]] = {leaf.reason: leaf for leaf in _leaves(PixkinError)}
