"""What every place that a network comes from offers: its layers as nodes, and as its own framework computes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding.preprocessing import Preprocessing
from pixkin_proto.errors import InvalidArgument, listed
from pixkin_proto.suggestions import nearest as nearest_names

from pixkin_export.graph import Graph
from pixkin_export.heads.registry import HEADS


@dataclass(frozen=True)
class Layer:
    """What a layer gives: feature maps (n, size, h, w) or vectors (n, size)."""

    kind: Literal["map", "vector"]
    size: int


@dataclass(frozen=True)
class Seen:
    """One picture as the source sees it.

    pixels: (h, w, 3) float64, 0 to 1, RGB, after its own transforms and before it subtracts a mean · layers: float64
    (c, h, w) or (d,) by layer.
    """

    pixels: NDArray[np.float64]
    layers: Mapping[str, NDArray[np.float64]]


class Source(Protocol):
    """A network to export."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How it wants its pictures."""

    @property
    def against(self) -> str:
        """What the exported graph is compared with, in a few words."""

    @property
    def learnt(self) -> Mapping[str, Any]:
        """Settings of heads that it has learnt, such as a vocabulary."""

    def layer(self, name: str) -> Layer:
        """Return what a layer gives. Raises InvalidArgument, with the nearest names, when there is no such layer."""

    def add(self, graph: Graph, layers: Sequence[str]) -> dict[str, str]:
        """Add the network as far as these layers need it; returns the names of their float32 tensors."""

    def see(self, picture: NDArray[np.uint8], layers: Sequence[str]) -> Seen:
        """Compute layers of an upright picture (h, w, 3) uint8 RGB as the source does, from its resizing on."""


def no_layer(name: str, known: Iterable[str]) -> InvalidArgument:
    """Return the error for a layer, or head, that there is not."""
    names = [*HEADS, *known]
    nearest = nearest_names(name, names, most=5)
    hint = f"did you mean {listed(nearest)}?" if nearest else f"there are {listed(names, most=40)}"
    return InvalidArgument(f"there is no layer or head {name!r}; {hint}")


def no_network(library: str, name: str, known: Iterable[str]) -> InvalidArgument:
    """Return the error for a network, or weights of one, that a library does not have."""
    names = list(known)
    nearest = nearest_names(name, names, most=5, likeness=0.4)
    hint = f"; did you mean {listed(nearest)}?" if nearest else f"; it has for instance {listed(names, most=8)}"
    return InvalidArgument(f"{library} has no {name!r}{hint}")
