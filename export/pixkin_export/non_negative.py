"""Whether an output of a graph can be negative, by how it is computed."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import numpy_helper

ALWAYS = {
    "Abs", "ArgMax", "ArgMin", "Equal", "Exp", "Greater", "GreaterOrEqual", "HardSigmoid", "Less", "LessOrEqual",
    "ReduceL1", "ReduceL2", "ReduceSumSquare", "Relu", "Shape", "Sigmoid", "Softmax", "Softplus", "Sqrt",
}  # fmt: skip
"""Operators whose result is not negative, whatever they take."""
KEPT = {
    **dict.fromkeys(("Add", "Concat", "Conv", "Div", "Gemm", "MatMul", "Min", "Mul", "Sum"), range(99)),
    **dict.fromkeys(("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "MaxRoiPool"), (0,)),
    **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"), (0,)),
    **dict.fromkeys(("Cast", "Dropout", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice"), (0,)),
    **dict.fromkeys(("Pow", "Squeeze", "Transpose", "Unsqueeze"), (0,)),
    "Where": (1, 2),
    "ScatterElements": (0, 2),
}
"""Operators whose result is not negative when none of these inputs is."""
ONE_OF = {"Clip": range(3), "Max": range(99)}
"""Operators whose result is not negative when one of these inputs is not, and a Clip's upper limit is not."""
FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
"""What a Cast can make without a change of sign; an integer may be too small for what becomes of it."""


def non_negative(model: onnx.ModelProto, output: str) -> bool:
    """Return whether the graph proves that an output has no negative component; False when it does not."""
    makers = {name: node for node in model.graph.node for name in node.output}
    known = {each.name: each.data_type != each.STRING and _positive(each) for each in model.graph.initializer}
    known |= {each.name: True for each in model.graph.input}  # pixels, uint8
    waiting = [output]
    while waiting:
        name = waiting[-1]
        unknown = [each for each in _asked(makers.get(name)) if each not in known]
        if name in known or not unknown:
            known.setdefault(name, _proven(makers.get(name), known))
            waiting.pop()
        waiting.extend(unknown if name not in known else ())
    return known[output]


def _asked(node: onnx.NodeProto | None) -> list[str]:
    """Return the inputs that the sign of a node's result depends on."""
    if node is None or node.domain not in {"", "ai.onnx"}:
        return []
    places = {**KEPT, **ONE_OF}.get(node.op_type, ())
    return [each for place, each in enumerate(node.input) if place in places and each]


def _proven(node: onnx.NodeProto | None, known: Mapping[str, bool]) -> bool:
    if node is None or node.domain not in {"", "ai.onnx"}:
        return False
    if any(_turns(each) for each in node.attribute):
        return False
    if node.op_type in {"Constant", "ConstantOfShape"}:
        return all(each.name == "value" and _positive(each.t) for each in node.attribute)
    asked = [known[each] for each in _asked(node)]
    if node.op_type == "Clip":  # value, least, most
        *low, most = [known.get(each, False) if each else None for each in (*node.input, "", "")][:3]
        return any(low) and most is not False
    if node.op_type == "Max":
        return any(asked)
    return node.op_type in ALWAYS or (node.op_type in KEPT and all(asked))


def _turns(setting: onnx.AttributeProto) -> bool:
    """Whether a node can be negative by one of its settings: a Cast to integers, a Gemm with a factor below 0."""
    return (setting.name == "to" and setting.i not in FLOATS) or (setting.name in {"alpha", "beta"} and setting.f < 0)


def _positive(constant: onnx.TensorProto) -> bool:
    return bool((numpy_helper.to_array(constant) >= 0).all())
