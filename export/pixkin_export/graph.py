"""A short way to write an extractor's ONNX graph node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

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

    def model(self, outputs: dict[str, int]) -> onnx.ModelProto:
        """Return the checked model; outputs: dimension by name, each a float32 (n, dimension) made by a node."""
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info(self.pixels, TensorProto.UINT8, self._shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", dim)) for name, dim in outputs.items()],
            initializer=list(self._constants.values()),
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="pixkin")
        onnx.checker.check_model(model, full_check=True)
        return model
