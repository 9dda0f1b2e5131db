"""A network in an ONNX file of any origin, cut at tensors that the user names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.utils
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, inliner, shape_inference, version_converter
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import Preprocessing, prepare
from pixkin_embedding.running import run
from pixkin_embedding.runtime import first_line, onnx_runtime
from pixkin_proto.errors import InvalidArgument, InvalidExtractor, listed
from pixkin_proto.suggestions import nearest as nearest_names

from pixkin_export.graph import OPSET, Graph
from pixkin_export.sources.options import InputForm, SourceOptions, native
from pixkin_export.sources.source import Layer, Seen, no_layer

onnxruntime = onnx_runtime()
NEWEST_OPSET = 21
"""What ONNX Runtime 1.20 reads."""


class OnnxFile:
    """A `Source` of an ONNX file.

    Raises:
        InvalidExtractor: the file is damaged, refers to other files, or has not one input of pictures.
        InvalidArgument: there is no such tensor, or the size of the input is not known.
    """

    against = f"ONNX Runtime {onnxruntime.__version__} on the file as it is"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        cuts, form = options.cuts, options.form
        self.learnt: Mapping[str, Any] = {}
        self._form, self._cuts = form, dict(cuts)
        self._original, self._model = _read(path)
        self._input, fixed = _picture_input(self._model, path, form)
        if not cuts:
            raise InvalidArgument(
                f"say where to cut {path.name} with --cut TENSOR; its outputs are "
                f"{', '.join(each.name for each in self._model.graph.output)}"
            )
        self.preprocessing = _preprocessing(fixed, options)
        self._layers = {name: self._layer(name, tensor) for name, tensor in cuts.items()}

    def layer(self, name: str) -> Layer:
        """Return what a layer gives."""
        if name in {"features", "penultimate"} and len(self._layers) == 1:
            return next(iter(self._layers.values()))
        if name not in self._layers:
            raise no_layer(name, self._layers)
        return self._layers[name]

    def add(self, graph: Graph, layers: Sequence[str]) -> dict[str, str]:
        """Add the pixels as the network takes them, and the network."""
        add, form = graph.add, self._form
        order = [2, 1, 0] if form.channels == "bgr" else [0, 1, 2]
        values = add("Cast", Graph.pixels, to=TensorProto.FLOAT)
        if form.channels == "bgr":
            values = add("Gather", values, np.array(order), axis=3)
        scaled = add("Sub", add("Mul", values, np.float32(form.scale)), np.array(form.mean, np.float32))
        scaled = add("Div", scaled, np.array(form.std, np.float32))
        if form.layout == "nchw":
            scaled = add("Transpose", scaled, perm=[0, 3, 1, 2])
        tensors = [self._tensor(name) for name in layers]
        found = graph.insert(self._upto(tensors), scaled, tensors)
        return {name: found[self._tensor(name)] for name in layers}

    def see(self, picture: NDArray[np.uint8], layers: Sequence[str]) -> Seen:
        """Compute layers with the file as it came."""
        prepared = prepare(picture, self.preprocessing, FOLDER_LIMITS)
        found = self._run(prepared, layers)
        arrays = {name: each[0].astype(np.float64) for name, each in found.items()}
        return Seen(prepared.astype(np.float64) / 255, arrays)

    def _run(self, prepared: NDArray[np.uint8], layers: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Compute layers of one prepared picture (h, w, 3) as they are, with their first axis."""
        form = self._form
        ordered = prepared[..., ::-1] if form.channels == "bgr" else prepared
        values = (ordered.astype(np.float64) * form.scale - form.mean) / form.std
        values = values.transpose(2, 0, 1) if form.layout == "nchw" else values
        given = {self._input: values[np.newaxis].astype(np.float32)}
        try:
            found = run(self._session, [self._tensor(name) for name in layers], given)
        except InvalidExtractor as error:
            raise InvalidExtractor(
                f"ONNX Runtime does not run the network on pictures as {form.layout} ({error.message}); "
                "see --layout, or choose another --size"
            ) from error
        return {name: np.asarray(each) for name, each in zip(layers, found, strict=True)}

    def _tensor(self, name: str) -> str:
        return self._cuts[name] if name in self._cuts else next(iter(self._cuts.values()))

    def _layer(self, name: str, tensor: str) -> Layer:
        known = [each for node in self._model.graph.node for each in node.output if each]
        if tensor not in known:
            nearest = nearest_names(tensor, known, most=5, likeness=0.3) or known[-5:]
            raise InvalidArgument(f"the network has no tensor {tensor!r}; it has for instance {listed(nearest)}")
        height, width = self.preprocessing.output_shape or (256, 192)
        found = self._run(np.zeros((height, width, 3), np.uint8), [name])[name]
        if found.ndim not in {2, 4} or found.dtype != np.float32:
            raise InvalidArgument(
                f"{name} gives {found.dtype} {found.shape}, and a descriptor is made of float32 (n, d) or "
                "(n, c, h, w); cut elsewhere"
            )
        return Layer("map" if found.ndim == 4 else "vector", int(found.shape[1]))

    def _upto(self, tensors: Sequence[str]) -> onnx.ModelProto:
        """Return the part of the network that these tensors need."""
        return onnx.utils.Extractor(self._model).extract_model([self._input], list(tensors))

    @cached_property
    def _session(self) -> Any:
        """The file as it came, with the cut tensors as outputs."""
        model = onnx.ModelProto()
        model.CopyFrom(self._original)
        there = {each.name for each in model.graph.output}
        model.graph.output.extend(onnx.ValueInfoProto(name=each) for each in self._cuts.values() if each not in there)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what is wrong is said once, by us
        try:
            return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen unrelated types
            raise InvalidExtractor(f"ONNX Runtime does not load this network: {first_line(error)}") from error


def _read(path: Path) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Return a model as it is, and with an opset that the graph of an extractor can have."""
    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError) as error:
        raise InvalidExtractor(f"{path} cannot be read as ONNX: {error}") from error
    if any(each.data_location == TensorProto.EXTERNAL for each in _tensors(model)):
        raise InvalidExtractor(f"{path} keeps its weights in other files, which are not read; save it as one file")
    opsets = [each.version for each in model.opset_import if each.domain in {"", "ai.onnx"}]
    if len(opsets) != 1 or not 7 <= opsets[0] <= NEWEST_OPSET:
        found = " and ".join(map(str, opsets)) or "none"
        raise InvalidExtractor(f"{path} has opset {found}; 7 to {NEWEST_OPSET} can be exported")
    try:
        onnx.checker.check_model(model)
        plain = inliner.inline_local_functions(model) if model.functions else model
        converted = version_converter.convert_version(plain, OPSET) if opsets[0] < OPSET else plain
        return model, shape_inference.infer_shapes(converted)
    except Exception as error:  # the checker and the converter raise what their C++ raises
        raise InvalidExtractor(f"{path} is no sound ONNX model: {first_line(error)}") from error


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Yield the constants of a model, those of inner graphs and functions too."""
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
        for attribute in (each for node in nodes for each in node.attribute):
            yield from (attribute.t, *attribute.tensors)
            graphs.extend([*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])])
        nodes.clear()


def _picture_input(model: onnx.ModelProto, path: Path, form: InputForm) -> tuple[str, tuple[int, int] | None]:
    """Return the name of the input, and its (height, width) where they are fixed."""
    weights = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in weights]
    if len(inputs) != 1:
        raise InvalidExtractor(f"{path} has {len(inputs)} inputs; an extractor has one, the picture")
    kind = inputs[0].type.tensor_type
    sides = [each.dim_value for each in kind.shape.dim]  # 0 for any
    channels = sides.pop(1 if form.layout == "nchw" else 3) if len(sides) == 4 else -1
    if kind.elem_type != TensorProto.FLOAT or channels not in {0, 3}:
        raise InvalidExtractor(
            f"{path} takes {TensorProto.DataType.Name(kind.elem_type)} {[each.dim_value for each in kind.shape.dim]} "
            f"and not float32 pictures with three channels as {form.layout}; see --layout"
        )
    return inputs[0].name, (sides[1], sides[2]) if sides[1] and sides[2] else None


def _preprocessing(fixed: tuple[int, int] | None, options: SourceOptions) -> Preprocessing:
    if options.native:
        if fixed:
            raise InvalidArgument(f"the network takes pictures of {fixed[0]}x{fixed[1]} only; leave out --native")
        return native(options, "bilinear")
    size = (options.size, options.size) if options.size else fixed
    if size is None:
        raise InvalidArgument("the network takes pictures of any size; say --size N or --native")
    if fixed and size != fixed:
        raise InvalidArgument(f"the network takes pictures of {fixed[0]}x{fixed[1]} only, not of {size[0]}x{size[1]}")
    return Preprocessing("exact", size, filter="bilinear")
