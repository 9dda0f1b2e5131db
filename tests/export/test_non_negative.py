"""What a graph proves of the sign of its outputs, and that it never claims more than is so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper, parser
from pixkin_embedding.runtime import onnx_runtime
from pixkin_export.non_negative import non_negative

SHAPE = (1, 2, 3, 3)


def model(lines: str, kind: str = "float") -> onnx.ModelProto:
    """Return a graph of pixels; x is their float32, s is signed, w (not negative) and v are 3x3."""
    text = f"""<ir_version: 8, opset_import: ["" : 18]>
    g (uint8[1, 2, 3, 3] pixels) => ({kind}[a, b, c, d] y) {{
        x = Cast <to = 1> (pixels)
        half = Constant <value = float {{100.0}}> ()
        s = Sub(x, half)
        none = Constant <value = float {{0.0}}> ()
        six = Constant <value = float {{6.0}}> ()
        less = Constant <value = float {{-1.0}}> ()
        {lines}
    }}"""
    made = parser.parse_model(text)
    draw = np.random.default_rng(5)
    for name, values in (("w", draw.random((3, 3))), ("v", draw.normal(size=(3, 3)))):
        made.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    return made


PROVEN = {
    "the pixels": "y = Identity(x)",
    "a chain of rectifiers": "a = MatMul(x, v)\n b = Relu(a)\n c = MatMul(b, w)\n y = Add(c, b)",
    "a pooled map": "a = Relu(s)\n y = GlobalAveragePool(a)",
    "a length": "y = ReduceL2(s)",
    "a quotient": "a = Relu(s)\n b = ReduceL2(s)\n y = Div(a, b)",
    "a clip from zero": "y = Clip(s, none, six)",
    "a clip of what is not negative": "y = Clip(x, , six)",
    "a maximum with zero": "y = Max(s, none)",
    "a maximum with less": "y = Max(x, less)",
    "probabilities": "y = Softmax(s)",
    "a choice": "c = Greater(s, x)\n a = Abs(s)\n y = Where(c, x, a)",
    "counts": "a = Greater(s, x)\n y = Cast <to = 1> (a)",
    "a sum of parts": "a = Relu(s)\n b = Sigmoid(s)\n y = Concat <axis = 1> (a, b, x)",
    "a root": "a = Relu(s)\n y = Sqrt(a)",
}
NOT_PROVEN = {
    "signed numbers": "y = Identity(s)",
    "swish": "a = Sigmoid(s)\n y = Mul(s, a)",
    "hard swish": "y = HardSwish(s)",
    "a leaky rectifier": "y = LeakyRelu(s)",
    "an exponential unit": "y = Elu(s)",
    "a difference": "a = Relu(s)\n y = Sub(a, x)",
    "a negative weight": "y = MatMul(x, v)",
    "a negative bias": "y = Add(x, less)",
    "a logarithm": "y = Log(x)",
    "a hyperbolic tangent": "y = Tanh(x)",
    "a clip from below zero": "y = Clip(s, less)",
    "a clip from above alone": "y = Clip(s, , six)",
    "a clip to below zero": "y = Clip(x, less, less)",
    "a choice of one that is signed": "c = Greater(s, x)\n y = Where(c, x, s)",
    "a concatenation with one that is signed": "y = Concat <axis = 1> (x, s)",
    "a small integer": "a = Cast <to = 3> (x)\n y = Cast <to = 1> (a)",
    "an operator that nobody knows": "y = Erf(s)",
}


@pytest.mark.parametrize("lines", PROVEN.values(), ids=PROVEN)
def test_what_cannot_be_negative_is_proven(lines: str) -> None:
    made = model(lines)
    onnx.checker.check_model(made)
    assert non_negative(made, "y")


@pytest.mark.parametrize("lines", NOT_PROVEN.values(), ids=NOT_PROVEN)
def test_what_can_be_negative_is_not_proven(lines: str) -> None:
    made = model(lines)
    onnx.checker.check_model(made)
    assert not non_negative(made, "y")


def test_a_matrix_product_with_a_negative_factor_is_not_proven() -> None:
    made = model("a = Reshape(x, shape)\n b = Gemm <alpha = -1.0> (a, w)\n y = Unsqueeze(b, axes)")
    made.graph.initializer.append(numpy_helper.from_array(np.array([-1, 3]), "shape"))
    made.graph.initializer.append(numpy_helper.from_array(np.array([0, 1]), "axes"))
    onnx.checker.check_model(made)
    assert not non_negative(made, "y")


def test_an_operator_of_another_domain_proves_nothing_by_its_name() -> None:
    made = model("y = own.Relu(s)")
    made.opset_import.add(domain="own", version=1)
    assert not non_negative(made, "y")


def test_a_graph_deeper_than_the_interpreter_recurses_is_followed_to_its_end() -> None:
    lines = "\n ".join(f"t{place + 1} = Relu(t{place})" for place in range(5000))
    assert non_negative(model(f"t0 = Identity(x)\n {lines}\n y = Identity(t5000)"), "y")


def test_a_tensor_that_nothing_makes_is_not_proven() -> None:
    assert not non_negative(model("y = Identity(x)"), "z")


UNARY = ("Abs", "Exp", "Identity", "LeakyRelu", "Log", "Neg", "Relu", "Sigmoid", "Sin", "Softplus", "Sqrt", "Tanh")
BINARY = ("Add", "Div", "Max", "Min", "Mul", "Pow", "Sub", "Sum")
NUMBERS = st.sampled_from([-6.0, -1.0, 0.0, 0.5, 1.0, 6.0])


@st.composite
def _lines(draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    """Draw a graph of a dozen nodes, all of one shape."""
    lines, known = [], ["x", "s"]

    def any_of() -> str:
        return str(draw(st.sampled_from(known)))

    for place in range(draw(st.integers(1, 12))):
        name = f"t{place}"
        kind = draw(st.sampled_from(["unary", "binary", "number", "clip", "where", "matrix", "reduce", "cast"]))
        if kind == "unary":
            lines.append(f"{name} = {draw(st.sampled_from(UNARY))}({any_of()})")
        elif kind == "binary":
            lines.append(f"{name} = {draw(st.sampled_from(BINARY))}({any_of()}, {any_of()})")
        elif kind == "number":
            lines.append(f"n{place} = Constant <value = float {{{draw(NUMBERS)}}}> ()")
            lines.append(f"{name} = {draw(st.sampled_from(BINARY))}({any_of()}, n{place})")
        elif kind == "clip":
            least, most = draw(NUMBERS), draw(NUMBERS)
            lines.append(f"a{place} = Constant <value = float {{{least}}}> ()")
            lines.append(f"b{place} = Constant <value = float {{{most}}}> ()")
            lines.append(f"{name} = Clip({any_of()}, a{place}, b{place})")
        elif kind == "where":
            lines.append(f"c{place} = Greater({any_of()}, {any_of()})")
            lines.append(f"{name} = Where(c{place}, {any_of()}, {any_of()})")
        elif kind == "matrix":
            lines.append(f"{name} = MatMul({any_of()}, {draw(st.sampled_from(['w', 'v']))})")
        elif kind == "reduce":
            lines.append(f"r{place} = {draw(st.sampled_from(['ReduceMax', 'ReduceMean', 'ReduceL1']))}({any_of()})")
            lines.append(f"{name} = Add({any_of()}, r{place})")
        else:
            lines.append(f"i{place} = Cast <to = {draw(st.sampled_from([2, 3, 6, 7]))}> ({any_of()})")
            lines.append(f"{name} = Cast <to = 1> (i{place})")
        known.append(name)
    return "\n ".join([*lines, f"y = Identity({known[-1]})"])


@settings(max_examples=300, deadline=None)
@given(_lines())
def test_what_is_proven_is_so(lines: str) -> None:
    made = model(lines)
    if not non_negative(made, "y"):
        return
    session = onnx_runtime().InferenceSession(made.SerializeToString(), _quiet(), providers=["CPUExecutionProvider"])
    for pixels in (np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8), np.zeros(SHAPE, np.uint8)):
        [values] = session.run(None, {"pixels": pixels})
        assert not (values < 0).any()


def _quiet() -> Any:
    options = onnx_runtime().SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return options
