"""No network at all: descriptors that are formulas of the pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import Preprocessing, prepare

from pixkin_export.graph import Graph
from pixkin_export.sources.source import Layer, Seen, no_layer


@dataclass(frozen=True)
class PixelSource:
    """Pictures as they are prepared, and nothing more."""

    preprocessing: Preprocessing
    learnt: Mapping[str, Any]
    against: str = "its formula in numpy"

    def layer(self, name: str) -> Layer:
        """Raise InvalidArgument: there are none."""
        raise no_layer(name, [])

    def add(self, graph: Graph, layers: Sequence[str]) -> dict[str, str]:
        """Add nothing."""
        del graph, layers
        return {}

    def see(self, picture: NDArray[np.uint8], layers: Sequence[str]) -> Seen:
        """Return the prepared picture."""
        del layers
        return Seen(prepare(picture, self.preprocessing, FOLDER_LIMITS).astype(np.float64) / 255, {})
