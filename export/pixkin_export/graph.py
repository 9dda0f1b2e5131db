"""A short way to write an extractor's ONNX graph, node by node and from whole models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

OPSET = 18
"""ScatterElements adds since 16 and ReduceL2 takes its axes as an input since 18; ONNX Runtime 1.20 reads up to 21."""
IR_VERSION = 8
"""The file format that came with opset 18."""


class Graph:
    """The nodes and constants of one graph with the input `pixels`: uint8 (n, height, width, 3) RGB.

    Nodes and constants are numbered in the order of their making, so the same calls give the same bytes.
    """

    pixels = "pixels"

    def __init__(self, name: str, height: int | str = "h", width: int | str = "w") -> None:
        self._name = name
        self._shape = ("n", height, width, 3)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = {}
        self._weights: list[onnx.TensorProto] = []
        self._opset = OPSET

    def constant(self, value: NDArray[Any] | np.generic) -> str:
        """Return the name of a constant; equal ones are stored once."""
        array = np.asarray(value, order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, f"c{len(self._constants)}")
        return str(self._constants[key].name)

    def add(self, operator: str, *inputs: str | NDArray[Any] | np.generic, output: str = "", **attributes: Any) -> str:
        """Append a node and return the name of its one output; arrays and numbers among the inputs become constants."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        made = output or f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, names, [made], **attributes))
        return made

    def insert(self, model: onnx.ModelProto, source: str, outputs: Iterable[str]) -> dict[str, str]:
        """Append all nodes of a model with one input, which takes the tensor `source`.

        Returns the names that the model's `outputs` have here. The model's opset is OPSET or later.
        """
        mark = f"m{len(self._nodes)}_"
        inserted = compose.add_prefix(model, mark)
        for node in inserted.graph.node:  # paths and stack traces of the machine that exported it
            node.ClearField("doc_string")
            node.ClearField("metadata_props")
        self._nodes.append(helper.make_node("Identity", [source], [inserted.graph.input[0].name]))
        self._nodes.extend(inserted.graph.node)
        self._weights.extend(inserted.graph.initializer)
        self._opset = max(self._opset, *(opset.version for opset in model.opset_import if opset.domain == ""))
        return {name: f"{mark}{name}" for name in outputs}

    def name(self, tensors: Mapping[str, str]) -> dict[str, str]:
        """Give the tensors (the values) the names of outputs (the keys); returns the new name of each tensor."""
        inside = {name for node in self._nodes for name in node.output} | {
            each.name for each in self._constants.values()
        }
        moved = {name: f"{name}_" for name in inside & set(tensors)}  # what has an output's name makes way
        self._rename(moved)
        chosen: dict[str, str] = {}
        for output, tensor in tensors.items():
            now = moved.get(tensor, tensor)
            if now in chosen:  # two outputs of one tensor
                self.add("Identity", now, output=output)
            chosen.setdefault(now, output)
        self._rename(chosen)
        return {tensor: chosen[moved.get(tensor, tensor)] for tensor in tensors.values()}

    def _rename(self, names: Mapping[str, str]) -> None:
        for node in self._nodes:
            for taken in (node.input, node.output):
                for place, each in enumerate(taken):
                    taken[place] = names.get(each, each)
        for constant in self._constants.values():
            constant.name = names.get(constant.name, constant.name)

    def model(self, outputs: dict[str, int]) -> onnx.ModelProto:
        """Return the checked model; outputs: dimension by name, each a float32 (n, dimension) made by a node."""
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info(self.pixels, TensorProto.UINT8, self._shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", dim)) for name, dim in outputs.items()],
            initializer=[*self._constants.values(), *self._weights],
        )
        opset = helper.make_opsetid("", self._opset)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="pixkin")
        onnx.checker.check_model(model, full_check=True)
        return model
