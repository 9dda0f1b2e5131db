"""An extractor's network with 8-bit weights and activations: about twice as fast on a CPU, a quarter of the size.

Static quantisation (Jacob et al., Quantization and training of neural networks for efficient integer-arithmetic-only
inference, CVPR 2018) by ONNX Runtime's own tool: each tensor x is stored as round(x / scale) + zero, where the scale of
an activation follows from its least and largest value over calibration pictures and each output channel of a weight has
its own. Never dynamic: scales that are computed anew for each picture make convolutional networks slower, not faster.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from pixkin_embedding.runtime import onnx_runtime
from pixkin_proto.errors import InvalidArgument

from pixkin_export.network_part import is_weighted, network_nodes, store_constants

quantization = onnx_runtime("quantization")
FLOAT_FIRST = 2
"""How many of the first layers keep float32: they have few channels, and what they lose nothing behind them restores.

EfficientNet-Lite0, mean and least cosine to float32 on Corel-1k: 0.9938 and 0.948 with none, 0.9960 and 0.972 with two;
more hardly add to the mean.
"""
Pixels = NDArray[np.uint8]
BETWEEN = {"Add", "AveragePool", "Clip", "Concat", "MaxPool", "Relu"}
"""Operators that are computed with 8 bits where all that they take has 8 bits, so that no value goes there and back."""
_PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}
"""Metadata without which ONNX Runtime's tool recommends, on the console, what `store_constants` has done."""


def quantise(model: onnx.ModelProto, pictures: Iterable[Pixels], *, layers: Collection[str]) -> onnx.ModelProto:
    """Return an extractor's graph with an 8-bit network; its input and outputs stay as they are.

    model: finished, heads included; it is not changed · pictures: prepared, uint8 (h, w, 3) each, what the network's
    values are measured on; one at a time is in memory · layers: the tensors that heads take. The same arguments give
    the same bytes. Raises InvalidArgument when there is no network, or no picture.
    """
    prepared = _prepared(model)
    chosen = _chosen(prepared, layers)
    with tempfile.TemporaryDirectory(prefix="pixkin-") as folder:
        before, after = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        onnx.save(prepared, before)
        quantization.quantize_static(
            before,
            after,
            _Reader(pictures),
            quant_format=quantization.QuantFormat.QDQ,
            # Two of a kind took 2 to 5 times as long. Processors of x86 without VNNI add such products up in 16 bits,
            # which may not be enough; weights of 7 bits would be safe there, but come no nearer than a cosine of 0.987.
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=sorted({node.op_type for node in chosen}),
            nodes_to_quantize=[node.name for node in chosen],
        )
        made = onnx.load(after)
    return _plain(made, model)


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]  # the package is untyped
    """Hands out pictures one at a time, as ONNX Runtime's tool asks for them."""

    def __init__(self, pictures: Iterable[Pixels]) -> None:
        self._pictures, self._given = iter(pictures), 0

    def get_next(self) -> dict[str, Pixels] | None:
        picture = next(self._pictures, None)
        if picture is None and not self._given:
            raise InvalidArgument("there was no readable picture to calibrate with; name another folder")
        self._given += 1
        return None if picture is None else {"pixels": picture[np.newaxis]}


def _prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy whose nodes have names, which is how they are chosen."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    store_constants(copy)
    for node in copy.graph.node:
        node.name = node.output[0]
    onnx.helper.set_model_props(copy, _PREPARED)
    return copy


def _chosen(model: onnx.ModelProto, layers: Collection[str]) -> list[onnx.NodeProto]:
    """Return the nodes that shall compute with 8 bits."""
    network = network_nodes(model, layers)
    constants = {each.name for each in model.graph.initializer}
    weighted = [node for node in network if is_weighted(node, constants)]
    # ONNX Runtime itself quantises, with one scale for all channels, a convolution that takes and gives 8 bits. So what
    # a float layer takes must not have 8 bits: all that take it stay float.
    kept = {name for node in weighted[:FLOAT_FIRST] for name in node.input if name not in constants}
    eight_bit = [node for node in weighted[FLOAT_FIRST:] if not kept.intersection(node.input)]
    if not eight_bit:
        raise InvalidArgument(f"{model.graph.name} has {len(weighted)} layers; too few of them could become int8")
    tensors = {name for node in eight_bit for name in (*node.input, *node.output)} - constants
    for node in network:
        if node.op_type in BETWEEN and tensors.issuperset(_taken(node)):
            eight_bit.append(node)
            tensors.update(node.output)
    return eight_bit


def _taken(node: onnx.NodeProto) -> list[str]:
    """Return what a node takes; of Clip without its limits, which are no activations."""
    return [node.input[0]] if node.op_type == "Clip" else list(node.input)


def _plain(made: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the quantised model with nothing of the tool that made it but its graph."""
    made.producer_name, made.producer_version, made.ir_version = model.producer_name, "", model.ir_version
    for field in ("metadata_props", "doc_string"):
        made.ClearField(field)
    made.graph.ClearField("value_info")
    onnx.checker.check_model(made, full_check=True)
    return made
