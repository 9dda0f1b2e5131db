"""Every way to make a descriptor of a network's layers or of the pixels: reading `HEADS` is reading the list.

A head stands twice: as nodes of a graph and as a formula in numpy, which the export holds the graph against.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any

from pixkin_proto.axes import Axis
from pixkin_proto.descriptors import Norm
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.names import check_name

from pixkin_export.classic import bovw, histogram, hog, lbp, sift
from pixkin_export.classic.regions import ELLIPSE, WHOLE
from pixkin_export.classic.spaces import SPACES
from pixkin_export.heads import crow, layer, map_histogram, pooling, rmac


class Takes(StrEnum):
    """What a head is computed of."""

    MAP = "map"
    """Feature maps (n, c, h, w) of one layer."""
    MAPS = "maps"
    """Feature maps of one or more layers."""
    VECTOR = "vector"
    """The values (n, d) of a layer."""
    PIXELS = "pixels"
    """The prepared picture, uint8 (n, h, w, 3) RGB."""


@dataclass(frozen=True)
class Parameter:
    """A setting of a head. read: makes a value of its text, ValueError for none · allowed: what there is, in words."""

    read: Callable[[str], Any]
    default: Any
    allowed: str


@dataclass(frozen=True)
class Head:
    """One way to make a descriptor.

    add: (graph, *tensors, **settings) -> name of a float32 (n, d) tensor · formula: (*arrays of one picture,
    **settings) -> float64 (d,) · size: (*sizes, **settings) -> d, where the size of a layer is the number of its
    channels or values · norm: how the vector is normalised unless asked otherwise · own: how it is already as it is
    computed · counted: whether it counts, so that a number at the edge of a bin may change a component by a step ·
    layer: what it is computed of unless asked otherwise · given: settings that nobody asks for: `size`, (height, width)
    of the input, and what the source has learnt · axes: (**settings) -> what the components stand for, where people can
    read that.
    """

    name: str
    title: str
    takes: Takes
    add: Callable[..., str]
    formula: Callable[..., Any]
    size: Callable[..., int]
    norm: Norm = Norm.L2
    own: Norm = Norm.NONE
    measure: str = "cosine"
    counted: bool = False
    layer: str = "features"
    given: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    axes: Callable[..., tuple[Axis, ...]] | None = None


HEADS: dict[str, Head] = {}


def register_head(head: Head) -> None:
    """Add a head. Raises InvalidArgument when its name is taken."""
    if check_name("head", head.name) in HEADS:
        raise InvalidArgument(f"there is a head {head.name} already; give the new one another name")
    HEADS[head.name] = head


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `least` to `most`."""

    def read(text: str) -> int:
        if not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return read


def _exponent(text: str) -> float:
    if not 0.1 <= float(text) <= 64:
        raise ValueError(text)
    return float(text)


def _same(size: int, **_: object) -> int:
    return size


def one_of(*words: str) -> Parameter:
    """Return a setting that is one of some words, the first unless asked otherwise."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(text)
        return text

    return Parameter(read, words[0], ", ".join(words))


def _dimensions(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split("x"))


def _yes(text: str) -> bool:
    return {"yes": True, "no": False}[text]


def _regions(default: str) -> Parameter:
    return Parameter(str, default, "whole, quadrants-ellipse, or RxC")


_SIFT = {
    "cell": Parameter(whole(1, 64), 4, "1 to 64"),
    "step": Parameter(whole(1, 64), 8, "1 to 64"),
    "root": Parameter(_yes, False, "yes or no"),
}
register_head(
    Head("gap", "global average pooling", Takes.MAP, pooling.add_gap, pooling.gap, _same),
)
register_head(
    Head("sum", "sum pooling (SPoC)", Takes.MAP, pooling.add_sum, pooling.total, _same),
)
register_head(
    Head("mac", "maximum activations of convolutions", Takes.MAP, pooling.add_mac, pooling.mac, _same),
)
register_head(
    Head(
        "gem", "generalised mean pooling", Takes.MAP, pooling.add_gem, pooling.gem, _same,
        parameters={"p": Parameter(_exponent, 3.0, "0.1 to 64")},
    )
)  # fmt: skip
register_head(
    Head(
        "rmac", "regional maximum activations", Takes.MAP, rmac.add_rmac, rmac.rmac, _same,
        parameters={"levels": Parameter(whole(1, 6), 3, "1 to 6")},
    )
)  # fmt: skip
register_head(
    Head("crow", "cross-dimensional weighting", Takes.MAP, crow.add_crow, crow.crow, _same, counted=True),
)
register_head(
    Head(
        "cnn-hist", "histograms of feature maps", Takes.MAPS, map_histogram.add_map_histogram,
        map_histogram.map_histogram, lambda *sizes, bins: bins * sum(sizes),
        norm=Norm.NONE, measure="chi2", counted=True,
        parameters={"bins": Parameter(whole(2, 64), 3, "2 to 64")},
    )
)  # fmt: skip
register_head(
    Head("layer", "the values of a layer", Takes.VECTOR, layer.add_layer, layer.layer, _same, layer="penultimate"),
)
register_head(
    Head(
        "class", "1 at the class that the network would choose",
        Takes.VECTOR, layer.add_class, layer.chosen_class, _same,
        counted=True, layer="logits",
    )
)  # fmt: skip
register_head(
    Head(
        "histogram", "colour histogram of regions", Takes.PIXELS, histogram.add, histogram.formula, histogram.dim,
        norm=Norm.L1, own=Norm.L1, measure="chi2", counted=True,
        parameters={
            "space": one_of(*SPACES),
            "bins": Parameter(_dimensions, None, "a number for each channel, such as 9x3x3"),
            "regions": _regions(ELLIPSE),
        },
        axes=histogram.axes,
    )
)  # fmt: skip
register_head(
    Head(
        "gch", "grey histogram of the whole picture", Takes.PIXELS, partial(histogram.add, space="grey"),
        partial(histogram.formula, space="grey"), partial(histogram.dim, space="grey"),
        norm=Norm.L1, own=Norm.L1, measure="chi2", counted=True,
        parameters={"bins": Parameter(_dimensions, None, "1 to 256"), "regions": _regions(WHOLE)},
        axes=partial(histogram.axes, space="grey"),
    )
)  # fmt: skip
register_head(
    Head(
        "hog", "histograms of oriented gradients", Takes.PIXELS, hog.add, hog.formula, hog.dim, norm=Norm.NONE,
        given=("size",),
        parameters={
            "orientations": Parameter(whole(1, 36), 9, "1 to 36"),
            "cell": Parameter(whole(1, 256), 8, "1 to 256"),
            "block": Parameter(whole(1, 16), 3, "1 to 16"),
        },
    )
)  # fmt: skip
register_head(
    Head(
        "lbp", "local binary patterns", Takes.PIXELS, lbp.add, lbp.formula, lbp.dim, norm=Norm.L1, own=Norm.L1,
        measure="chi2", counted=True, parameters={"codes": one_of(*lbp.CODES), "regions": _regions(lbp.GRID)},
    )
)  # fmt: skip
register_head(
    Head(
        "sift", "SIFT on a grid", Takes.PIXELS, sift.add, sift.formula, sift.dim, norm=Norm.NONE, given=("size",),
        parameters=_SIFT,
    )
)  # fmt: skip
register_head(
    Head(
        "bovw", "bag of visual words", Takes.PIXELS, bovw.add, bovw.formula, bovw.dim, norm=Norm.L1, own=Norm.L1,
        measure="chi2", counted=True, given=("size", "vocabulary"),
        parameters={
            **_SIFT,
            "step": replace(_SIFT["step"], default=bovw.STEP),
            "root": replace(_SIFT["root"], default=True),
        },
    )
)  # fmt: skip
