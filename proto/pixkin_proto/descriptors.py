"""What is declared of a descriptor, and what is declared of a measure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from pixkin_proto.errors import InvalidArgument, UnknownMeasure
from pixkin_proto.names import check_name


class Norm(StrEnum):
    """How a vector is normalised as it leaves its extractor."""

    L1 = "l1"
    L2 = "l2"
    NONE = "none"


class Kind(StrEnum):
    """What a measure compares: any vectors, or distributions of a mass over bins."""

    ANY = "any"
    MASS = "mass"


MEASURES: dict[str, Kind] = {
    "euclidean": Kind.ANY,
    "manhattan": Kind.ANY,
    "cosine": Kind.ANY,
    "angular": Kind.ANY,
    "chi2": Kind.MASS,
    "kl": Kind.MASS,
    "bhattacharyya": Kind.MASS,
    "intersection": Kind.MASS,
    "jensen_shannon": Kind.MASS,
}
"""Every measure's name and kind, in the order in which they are listed to people."""

GOOD_FOR: dict[str, str] = {
    "euclidean": "vectors whose lengths mean something",
    "manhattan": "vectors whose lengths mean something, with less weight on the largest differences",
    "cosine": "embeddings of networks: the direction counts, not the length",
    "angular": "embeddings, when values are to be angles; ranks as cosine",
    "chi2": "colour histograms: differences count more where there is little",
    "kl": "histograms whose empty bins tell the most; not the same both ways round",
    "bhattacharyya": "histograms: what both have in common, with small bins counted in",
    "intersection": "histograms, the easiest to explain: the share that both have in common",
    "jensen_shannon": "histograms of any kind, the same both ways round",
}
"""What each measure is good for, in one line for those who choose one."""

MAX_DIM = 65_536


@dataclass(frozen=True)
class Descriptor:
    """One named vector of an image.

    `fingerprint` is that of the extractor which computes it, empty for imported and derived vectors.
    """

    name: str
    dim: int
    norm: Norm = Norm.NONE
    non_negative: bool = False
    default_measure: str = "cosine"
    fingerprint: str = ""

    @property
    def short_name(self) -> str:
        """The part behind the extractor's name."""
        return self.name.rpartition(".")[2]

    @property
    def extractor(self) -> str:
        """The extractor's name; empty for imported and derived vectors."""
        return self.name.rpartition(".")[0]

    def of_extractor(self, extractor: str, fingerprint: str) -> Descriptor:
        """Return the descriptor as a collection names it: EXTRACTOR.DESCRIPTOR."""
        return replace(self, name=f"{extractor}.{self.name}", fingerprint=fingerprint)


def check_descriptor(descriptor: Descriptor) -> Descriptor:
    """Return a declaration that keeps the rules; raise InvalidName, InvalidArgument or UnknownMeasure otherwise."""
    for part in descriptor.name.split(".", 1):
        check_name("descriptor", part)
    if not 1 <= descriptor.dim <= MAX_DIM:
        raise InvalidArgument(f"{descriptor.name} has {descriptor.dim} dimensions; a descriptor has 1 to {MAX_DIM}")
    if descriptor.norm not in list(Norm):
        raise InvalidArgument(f"{descriptor.name} has norm {descriptor.norm!r}; use l1, l2 or none")
    kind = MEASURES.get(descriptor.default_measure)
    if kind is None:
        raise UnknownMeasure(descriptor.default_measure, MEASURES)
    if kind is Kind.MASS and not descriptor.non_negative:
        raise InvalidArgument(
            f"{descriptor.name} may be negative and cannot have the default measure {descriptor.default_measure}"
        )
    return descriptor
