"""The graph of an export: a source, the descriptors that are asked for, and what can be said of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from pixkin_proto.axes import axes_to_plain
from pixkin_proto.descriptors import MAX_DIM, MEASURES, Descriptor, Kind, Norm
from pixkin_proto.errors import InvalidArgument, listed
from pixkin_proto.whitening import Whitening

from pixkin_export.graph import Graph
from pixkin_export.heads.normalisation import add_norm, normalised
from pixkin_export.heads.registry import HEADS, Takes
from pixkin_export.heads.specs import Part, Spec, parse_spec
from pixkin_export.heads.whitening import add_whitening
from pixkin_export.non_negative import non_negative
from pixkin_export.sources.source import Layer, Seen, Source

_WANTED = {
    "size": "pictures of one size: give --size N in place of --native",
    "vocabulary": "a vocabulary: learn it from a folder of pictures with --train FOLDER",
}


@dataclass(frozen=True)
class Asked:
    """What an export computes.

    layers: of the source, as far as they are needed · given: settings of heads that are the source's own · model: the
    graph.
    """

    specs: tuple[Spec, ...]
    layers: tuple[str, ...]
    given: Mapping[str, Any]
    model: onnx.ModelProto
    descriptors: tuple[Descriptor, ...]
    tensors: tuple[str, ...]
    projection: Projection | None = None

    @property
    def counted(self) -> dict[str, bool]:
        """Whether a number at the edge of a bin may change a component by a step, by descriptor."""
        found = {spec.name: spec.counted for spec in self.specs}
        return found | ({self.projection.name: found[self.projection.of]} if self.projection else {})

    @property
    def axes(self) -> dict[str, list[dict[str, Any]]]:
        """What the components of a descriptor stand for, in plain data, of those whose one head says so."""
        heads = {spec.name: spec.parts[0] for spec in self.specs if len(spec.parts) == 1}
        return {name: axes_to_plain(part.head.axes(**part.settings)) for name, part in heads.items() if part.head.axes}

    def expected(self, seen: Seen, prepared: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        """Return the vectors (d,) of one picture by the formulas, from what its source sees of it."""
        found = {
            spec.name: _fused([_by_formula(part, self.given, seen, prepared) for part in spec.parts], spec)
            for spec in self.specs
        }
        return found | ({self.projection.name: self.projection.formula(found)} if self.projection else {})


@dataclass(frozen=True)
class Projection:
    """A descriptor `name` that is another one, `of`, on its principal components. whiten: see `add_whitening`."""

    name: str
    of: str
    whitening: Whitening
    dims: int
    whiten: bool

    def formula(self, found: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return it (dims,), from the vectors of a picture by descriptor."""
        return self.whitening.applied(found[self.of], dims=self.dims, whiten=self.whiten)


def ask(name: str, source: Source, texts: Sequence[str], projection: Projection | None = None) -> Asked:
    """Build the graph that computes descriptors, asked for in the words of `specs`, from a source.

    projection: a further descriptor, made of one of them. Raises InvalidArgument for a layer or head that there is not,
    or a layer that a head cannot take.
    """
    specs = tuple(parse_spec(text) for text in texts)
    names = [spec.name for spec in specs]
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise InvalidArgument(f"{listed(twice)} comes twice; name one of them otherwise: OTHER={texts[-1]}")
    parts = [part for spec in specs for part in spec.parts]
    layers = tuple(dict.fromkeys(layer for part in parts for layer in part.layers))
    known = {layer: source.layer(layer) for layer in layers}
    given = {"size": source.preprocessing.output_shape, **source.learnt}
    for part in parts:
        _check_takes(part, known, given)
    dims = {spec.name: sum(_dim(part, known, given) for part in spec.parts) for spec in specs}
    for spec in specs:
        _check_output(spec.name, dims[spec.name])
    graph = Graph(name, *(source.preprocessing.output_shape or ("h", "w")))
    tensors = source.add(graph, layers)
    made = {spec.name: _add(graph, spec, tensors, given) for spec in specs}
    if projection:
        made[projection.name] = add_whitening(
            graph, made[projection.of], projection.whitening, dims=projection.dims, whiten=projection.whiten
        )
        dims[projection.name] = projection.dims
    named = graph.name(made)
    model = graph.model(dims)
    declared = [_declared(model, spec, dims[spec.name]) for spec in specs]
    if projection:
        declared.append(Descriptor(projection.name, projection.dims, Norm.L2))
    kept = tuple(named.get(tensor, tensor) for tensor in tensors.values())
    return Asked(specs, layers, given, model, tuple(declared), kept, projection)


def _check_output(name: str, dim: int) -> None:
    if name == Graph.pixels:
        raise InvalidArgument(f"{name} is the input of every extractor; name the descriptor otherwise: OTHER=HEAD")
    if dim > MAX_DIM:
        raise InvalidArgument(
            f"{name} would have {dim} dimensions, and a descriptor has at most {MAX_DIM}; ask for less"
        )


def _check_takes(part: Part, known: Mapping[str, Layer], given: Mapping[str, Any]) -> None:
    for setting in part.head.given:
        if given.get(setting) is None:
            raise InvalidArgument(f"{part.head.name} needs {_WANTED[setting]}")
    wanted = "vector" if part.head.takes is Takes.VECTOR else "map"
    for layer in part.layers:
        if known[layer].kind != wanted:
            fit = [head.name for head in HEADS.values() if head.takes in {Takes.MAP, Takes.MAPS}]
            hint = f"pool it with {listed(fit)}: gap:layer={layer}" if wanted == "vector" else "take it as it is"
            raise InvalidArgument(
                f"{part.head.name} takes a {wanted}, and layer {layer} gives a {known[layer].kind}; {hint}"
            )


def _settings(part: Part, given: Mapping[str, Any]) -> dict[str, Any]:
    return {**part.settings, **{name: given[name] for name in part.head.given}}


def _dim(part: Part, known: Mapping[str, Layer], given: Mapping[str, Any]) -> int:
    return part.head.size(*(known[layer].size for layer in part.layers), **_settings(part, given))


def _add_part(graph: Graph, part: Part, tensors: Mapping[str, str], given: Mapping[str, Any]) -> str:
    made = part.head.add(graph, *(tensors[layer] for layer in part.layers), **_settings(part, given))
    return made if part.norm is part.head.own else add_norm(graph, made, part.norm)


def _add(graph: Graph, spec: Spec, tensors: Mapping[str, str], given: Mapping[str, Any]) -> str:
    parts = [_add_part(graph, part, tensors, given) for part in spec.parts]
    if len(parts) == 1:
        return parts[0]
    weighted = [graph.add("Mul", each, np.float32(part.weight)) for each, part in zip(parts, spec.parts, strict=True)]
    return add_norm(graph, graph.add("Concat", *weighted, axis=1), spec.norm)


def _by_formula(part: Part, given: Mapping[str, Any], seen: Seen, prepared: NDArray[np.uint8]) -> NDArray[np.float64]:
    inputs = [prepared] if part.head.takes is Takes.PIXELS else [seen.layers[layer] for layer in part.layers]
    return normalised(part.head.formula(*inputs, **_settings(part, given)), part.norm)


def _fused(parts: list[NDArray[np.float64]], spec: Spec) -> NDArray[np.float64]:
    if len(parts) == 1:
        return parts[0]
    weighted = [part.weight * each for each, part in zip(parts, spec.parts, strict=True)]
    return normalised(np.concatenate(weighted), spec.norm)


def _declared(model: onnx.ModelProto, spec: Spec, dim: int) -> Descriptor:
    positive = non_negative(model, spec.name)
    measure = spec.parts[0].head.measure if len(spec.parts) == 1 else "cosine"
    if MEASURES[measure] is Kind.MASS and not positive:
        measure = "cosine"
    return Descriptor(spec.name, dim, Norm(spec.norm), non_negative=positive, default_measure=measure)
