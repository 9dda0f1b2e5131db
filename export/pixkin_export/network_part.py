"""Which nodes of an extractor's graph are its network; what stands before it and behind it keeps its precision.

Before it, pixels are scaled and counted; behind it, heads sum over positions, take roots and divide by lengths: 8 bits
are too few for that, and sums leave what 16 bits hold. Neither takes a noticeable part of the time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import onnx
from pixkin_proto.errors import InvalidArgument

WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
"""Operators that take nearly all of a network's time, where one of their inputs is a constant."""


def network_nodes(model: onnx.ModelProto, layers: Collection[str]) -> list[onnx.NodeProto]:
    """Return the nodes of the network in their order: from the first weighted ones on, as far as `layers` need them.

    model: its nodes in topological order · layers: the tensors that heads take, so that the convolutions of HOG and the
    product of a whitening are not meant. Raises InvalidArgument when there is no network.
    """
    constants = {each.name for each in model.graph.initializer}
    behind: set[str] = set()
    for node in model.graph.node:
        if is_weighted(node, constants) or behind.intersection(node.input):
            behind.update(node.output)
    found = [node for node in _needed(model.graph, layers) if behind.intersection(node.output)]
    if not found:
        raise InvalidArgument(f"{model.graph.name} computes with no network, so nothing can become int8 or fp16")
    return found


def is_weighted(node: onnx.NodeProto, constants: Collection[str]) -> bool:
    """Return whether a node multiplies by weights."""
    return node.op_type in WEIGHTED and any(each in constants for each in node.input)


def store_constants(model: onnx.ModelProto) -> None:
    """Turn Constant nodes, and Identity nodes of constants, into stored constants, in place.

    PyTorch's exporter writes the former, and the latter for weights that are equal; a quantiser would take both for
    activations. What is then used by no node goes.
    """
    graph = model.graph
    stored = {each.name: each for each in graph.initializer}
    outputs = {each.name for each in graph.output}
    for node in list(graph.node):
        value = _value(node, stored)
        if value is None or node.output[0] in outputs:
            continue
        constant = graph.initializer.add()
        constant.CopyFrom(value)
        constant.name = node.output[0]
        stored[constant.name] = constant
        graph.node.remove(node)
    used = set(_used(graph))
    for unused in (each for name, each in stored.items() if name not in used):
        graph.initializer.remove(unused)


def _value(node: onnx.NodeProto, stored: Mapping[str, onnx.TensorProto]) -> onnx.TensorProto | None:
    if node.op_type == "Identity":
        return stored.get(node.input[0])
    if node.op_type == "Constant" and node.attribute[0].name == "value":
        return node.attribute[0].t
    return None


def _used(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the names of what the nodes of a graph take, those of inner graphs too, and of its outputs."""
    yield from (each.name for each in graph.output)
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _used(inner)


def _needed(graph: onnx.GraphProto, layers: Collection[str]) -> list[onnx.NodeProto]:
    wanted, found = set(layers), []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            found.append(node)
    return found[::-1]
