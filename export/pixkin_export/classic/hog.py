"""Histograms of oriented gradients: in which directions the picture changes, cell by cell.

**Gradients.** At each pixel and channel, g_x = v(x + 1) - v(x - 1) and g_y = v(y + 1) - v(y - 1), 0 at the picture's
edge across it. The channel with the longest gradient counts, the first of equals.
**Cells.** A pixel adds its length |g| to the bin floor(O θ / 180°) of its cell, θ = atan2(g_y, g_x) modulo 180°; sums
are divided by the cell's pixels. Rows and columns that fill no cell are left out.
**Blocks.** Each square of cells, one cell apart, is divided by √(Σ v² + ε²), cut at 0.2 and divided so again (L2-Hys,
ε = 1e-5). Components are in the order block row, block column, cell row, cell column, bin.

The graph needs no arctangent: turned into the half plane of 0° to 180°, a gradient is past the edge e of a bin where
g_y cos e - g_x sin e >= 0. Gradients are integers, so nothing but θ = 0° lies on an edge.

Source: N. Dalal and B. Triggs, Histograms of oriented gradients for human detection, CVPR 2005; numbers as
`skimage.feature.hog(channel_axis=-1)` gives them.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidArgument

from pixkin_export.classic.channels import add_channels
from pixkin_export.graph import Graph

SIZE = (64, 64)
EPSILON, MOST = 1e-5, 0.2


def add(graph: Graph, *, size: tuple[int, int] = SIZE, orientations: int = 9, cell: int = 8, block: int = 3) -> str:
    """Add the descriptor of pixels uint8 (n, *size, 3): float32 (n, dim), zero for a picture of one colour.

    size: (height, width) · cell: pixels a side · block: cells a side. Raises InvalidArgument for what cannot be.
    """
    rows, columns = _blocks(size, orientations, cell, block)
    down, right, squared = _gradients(graph, size)
    lengths = graph.add("Sqrt", graph.add("Cast", squared, to=onnx.TensorProto.FLOAT))
    each = graph.add(
        "Equal", _bins(graph, down, right, orientations), np.arange(orientations, dtype=np.int32).reshape(-1, 1, 1)
    )
    spread = graph.add("Where", each, graph.add("Unsqueeze", lengths, np.array([1])), np.float32(0))
    cells = graph.add("AveragePool", spread, kernel_shape=[cell, cell], strides=[cell, cell])
    by_place = graph.add("Transpose", cells, perm=[0, 2, 3, 1])
    listed = graph.add("Reshape", by_place, np.array([0, -1, orientations]))
    gathered = graph.add("Gather", listed, _places(rows, columns, block), axis=1)
    blocks = graph.add("Reshape", gathered, np.array([0, rows * columns, -1]))
    return graph.add("Flatten", _normalised(graph, graph.add("Min", _normalised(graph, blocks), np.float32(MOST))))


def formula(
    pixels: NDArray[np.uint8],
    *,
    size: tuple[int, int] = SIZE,
    orientations: int = 9,
    cell: int = 8,
    block: int = 3,
) -> NDArray[np.float64]:
    """Return the descriptor of pixels (*size, 3), float64 (dim,)."""
    rows, columns = _blocks(size, orientations, cell, block)
    values = pixels.astype(np.float64)
    down, right = np.zeros_like(values), np.zeros_like(values)
    down[1:-1], right[:, 1:-1] = values[2:] - values[:-2], values[:, 2:] - values[:, :-2]
    longest = (down**2 + right**2).argmax(axis=2)[..., np.newaxis]
    down, right = (np.take_along_axis(each, longest, axis=2)[..., 0] for each in (down, right))
    bins = np.floor(np.degrees(np.arctan2(down, right)) % 180 * orientations / 180)
    cells = np.zeros((rows + block - 1, columns + block - 1, orientations))
    for row, column in np.ndindex(*cells.shape[:2]):
        place = np.s_[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
        lengths = np.hypot(down[place], right[place])
        cells[row, column] = [lengths[bins[place] == each].sum() / cell**2 for each in range(orientations)]
    blocks = [cells[row : row + block, column : column + block].ravel() for row, column in np.ndindex(rows, columns)]
    return np.concatenate([_divided(np.minimum(_divided(each), MOST)) for each in blocks])


def dim(*, size: tuple[int, int] = SIZE, orientations: int = 9, cell: int = 8, block: int = 3) -> int:
    """Return the number of components: blocks times cells of a block times orientations."""
    rows, columns = _blocks(size, orientations, cell, block)
    return rows * columns * block**2 * orientations


def _blocks(size: tuple[int, int], orientations: int, cell: int, block: int) -> tuple[int, int]:
    """Return how many rows and columns of blocks there are."""
    if not (1 <= orientations <= 180 and cell >= 1 and block >= 1 and min(size) >= cell * block):
        raise InvalidArgument(
            f"HOG of {size[0]}x{size[1]} pixels cannot have {orientations} orientations, cells of {cell} pixels and "
            f"blocks of {block} cells; give 1 to 180 orientations, and sides of at least one block"
        )
    return size[0] // cell - block + 1, size[1] // cell - block + 1


def _gradients(graph: Graph, size: tuple[int, int]) -> tuple[str, str, str]:
    """Add g_y, g_x and their squared length in the channel where it is largest, int32 (n, h, w) each."""
    best, *others = [_gradient(graph, channel, size) for channel in add_channels(graph)]
    for other in others:
        longer = graph.add("Greater", other[2], best[2])
        best = [graph.add("Where", longer, *each) for each in zip(other, best, strict=True)]
    return best[0], best[1], best[2]


def _gradient(graph: Graph, channel: str, size: tuple[int, int]) -> list[str]:
    """Add g_y, g_x and their squared length in one channel, int32 (n, h, w) each."""
    down, right = (_difference(graph, channel, length, axis=axis) for axis, length in enumerate(size, start=1))
    return [down, right, graph.add("Add", graph.add("Mul", down, down), graph.add("Mul", right, right))]


def _difference(graph: Graph, values: str, length: int, *, axis: int) -> str:
    """Add each next value minus the one before, 0 at both ends."""
    index = np.arange(length)
    inside = np.minimum(index, length - 1 - index) > 0
    after, before = (graph.add("Gather", values, index + step * inside, axis=axis) for step in (1, -1))
    return graph.add("Sub", after, before)


def _bins(graph: Graph, down: str, right: str, orientations: int) -> str:
    """Add how many edges each gradient is past, int32 (n, 1, h, w)."""
    add, axis = graph.add, np.array([1])
    level = add("Equal", down, np.int32(0))
    turned = add("Where", add("Less", down, np.int32(0)), add("Neg", right), right)
    y, x = (
        add("Unsqueeze", add("Cast", each, to=onnx.TensorProto.DOUBLE), axis)
        for each in (add("Abs", down), add("Where", level, add("Abs", right), turned))
    )
    edges = np.pi * np.arange(1, orientations).reshape(-1, 1, 1) / orientations
    past = add("GreaterOrEqual", add("Mul", y, np.cos(edges)), add("Mul", x, np.sin(edges)))
    return add("ReduceSum", add("Cast", past, to=onnx.TensorProto.INT32), axis, keepdims=1)


def _places(rows: int, columns: int, block: int) -> NDArray[np.int64]:
    """Return the cells of every block one after the other, among cells that are counted row by row."""
    cells = np.arange((rows + block - 1) * (columns + block - 1)).reshape(rows + block - 1, columns + block - 1)
    return np.lib.stride_tricks.sliding_window_view(cells, (block, block)).ravel()


def _normalised(graph: Graph, blocks: str) -> str:
    """Add blocks (n, blocks, numbers) divided by √(Σ v² + ε²)."""
    squares = graph.add("ReduceSum", graph.add("Mul", blocks, blocks), np.array([2]), keepdims=1)
    return graph.add("Div", blocks, graph.add("Sqrt", graph.add("Add", squares, np.float32(EPSILON**2))))


def _divided(block: NDArray[np.float64]) -> NDArray[np.float64]:
    return block / np.sqrt((block**2).sum() + EPSILON**2)
