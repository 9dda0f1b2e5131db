"""An extractor's network with 16-bit floats: half the size, and faster on GPUs, which have units for these alone.

IEEE 754 binary16 has 11 significant bits and ends at 65504. What stands before and behind the network stays float32,
outputs too: a head's sum over the positions of a map soon leaves that range. The conversion is ONNX Runtime's own. A
CPU computes such a file in float32 all the same and gains nothing but the smaller size.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from graphlib import TopologicalSorter

import onnx
from onnx import compose, helper, shape_inference
from pixkin_embedding.runtime import onnx_runtime

from pixkin_export.network_part import network_nodes, store_constants

float16 = onnx_runtime("transformers.float16")
_MARK = "half_"
"""Before the names of the network's constants, since a head may use the same ones as float32."""


def to_half(model: onnx.ModelProto, *, layers: Collection[str]) -> onnx.ModelProto:
    """Return an extractor's graph whose network has 16-bit floats; its input and outputs stay as they are.

    model: finished, heads included; it is not changed · layers: the tensors that heads take. The same arguments give
    the same bytes. Raises InvalidArgument when there is no network.
    """
    made = shape_inference.infer_shapes(model)
    store_constants(made)
    graph = made.graph
    network = network_nodes(made, layers)
    inside = {name for node in network for name in node.output}
    rest = [node for node in graph.node if not inside.intersection(node.output)]
    # Converted in one with the rest, each node of it would hand its float32 result on as 16 bits.
    converted = float16.convert_float_to_float16(_alone(made, network, rest), keep_io_types=True).graph
    nodes = _sorted([*rest, *converted.node])
    used = {name for node in rest for name in node.input}
    constants = [*(each for each in graph.initializer if each.name in used), *converted.initializer]
    for field in ("node", "initializer", "value_info"):
        graph.ClearField(field)
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    onnx.checker.check_model(made, full_check=True)
    return made


def _alone(
    model: onnx.ModelProto, network: Sequence[onnx.NodeProto], rest: Sequence[onnx.NodeProto]
) -> onnx.ModelProto:
    """Return the network as a model of its own, between the tensors that it shares with the rest."""
    kinds = {each.name: each for each in (*model.graph.value_info, *model.graph.input, *model.graph.output)}
    constants = {each.name: each for each in model.graph.initializer}
    taken = dict.fromkeys(name for node in network for name in node.input if name)
    made = dict.fromkeys(name for node in network for name in node.output)
    wanted = {name for node in rest for name in node.input} | {each.name for each in model.graph.output}
    graph = helper.make_graph(
        network,
        model.graph.name,
        [kinds[name] for name in taken if name not in made and name not in constants],
        [kinds[name] for name in made if name in wanted],
        initializer=[constants[name] for name in taken if name in constants],
    )
    alone = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    keep = dict.fromkeys(("nodes", "edges", "inputs", "outputs", "value_infos", "functions"), False)
    return compose.add_prefix(alone, _MARK, **{f"rename_{each}": kept for each, kept in keep.items()})


def _sorted(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Return the nodes so that each comes behind those that it takes from; the converter appends its own."""
    maker = {name: place for place, node in enumerate(nodes) for name in node.output}
    before = {place: [maker[name] for name in node.input if name in maker] for place, node in enumerate(nodes)}
    return [nodes[place] for place in TopologicalSorter(before).static_order()]
