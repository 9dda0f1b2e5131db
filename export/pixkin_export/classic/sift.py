"""Dense SIFT: the gradients around each point of a regular grid, by place and direction.

**Blur.** Grey is blurred by a Gaussian of σ = √(1.6² - 0.5²) with 13 taps a side, the picture mirrored at its edge
(without repeating the edge). Taps are in 2^-22, so blurred greys are integers: flat stays flat, on every machine.
**Gradients.** g_x = v(x + 1) - v(x - 1) and g_y = v(y - 1) - v(y + 1), of length |g| and direction o in eighths of a
turn; none at the picture's outermost rows and columns. The arctangent is OpenCV's polynomial, within 0.01°.
**Histograms.** A point has 4x4 cells of `cell` pixels a side, cell (i, j) amid (i - 1½, j - 1½) cells from it. With
(v, u) a pixel's place from the point in cells, it adds to bin k of cell (i, j), o - k taken around the turn,
    |g| exp(-(u² + v²) / 8) max(0, 1 - |v - i + 1½|) max(0, 1 - |u - j + 1½|) max(0, 1 - |o - k|).
**Bytes.** The 128 numbers are cut at 0.2 of their length, scaled to the length 512 and cut at 255: OpenCV's bytes
before they are rounded. `root` (RootSIFT) divides them by their sum instead and takes the square root: length 1.

Points are `step` pixels apart, as many as have their 4x4 cells inside the picture, and in its middle. Rows and columns
of points, then of cells, then bins vary ever faster. A cell is 1½ times OpenCV's `KeyPoint.size`, its angle 0.

The weights are a product of one for rows and one for columns, so the graph is matrix products; they are in float64, for
CUDA multiplies float32 matrices with 10 bits, and a word of `bovw` must be the same everywhere.

Source: D. G. Lowe, Distinctive image features from scale-invariant keypoints, IJCV 60, 2004; numbers as
`cv2.SIFT.compute` gives them. RootSIFT: R. Arandjelović and A. Zisserman, Three things everyone should know to improve
object retrieval, CVPR 2012.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
from numpy.typing import NDArray
from pixkin_proto.errors import InvalidArgument

from pixkin_export.classic.channels import add_grey, grey
from pixkin_export.graph import Graph

SIZE = (64, 64)
CELLS, BINS, NUMBERS = 4, 8, 128
SMALLEST = float(np.finfo(np.float32).eps)
ARCTANGENT = (0.9997878412794807, -0.3258083974640975, 0.1555786518463281, -0.04432655554792128)
"""Factors of t, t³, t⁵ and t⁷ (OpenCV's fastAtan2)."""


def add(graph: Graph, *, size: tuple[int, int] = SIZE, cell: int = 4, step: int = 8, root: bool = False) -> str:
    """Add the descriptors of all points one after the other: float32 (n, dim); pixels uint8 (n, *size, 3).

    size: (height, width) · cell, step: in pixels. The descriptor of flat surroundings is zero. Raises InvalidArgument
    where the picture has room for no point.
    """
    made = add_points(graph, size=size, cell=cell, step=step, root=root)
    return graph.add("Cast", graph.add("Flatten", made), to=onnx.TensorProto.FLOAT)


def add_points(graph: Graph, *, size: tuple[int, int], cell: int, step: int, root: bool) -> str:
    """Add the descriptor of every point, float64 (n, points, 128)."""
    rows, columns = (_weights(length, cell, step) for length in size)
    down = graph.add("MatMul", rows, _directions(graph, size))
    across = graph.add("MatMul", columns, graph.add("Transpose", down, perm=[0, 1, 3, 2]))
    parts = np.array([0, BINS, len(columns) // CELLS, CELLS, len(rows) // CELLS, CELLS])
    by_point = graph.add("Transpose", graph.add("Reshape", across, parts), perm=[0, 4, 2, 5, 3, 1])
    return _scaled(graph, graph.add("Reshape", by_point, np.array([0, -1, NUMBERS])), root=root)


def formula(
    pixels: NDArray[np.uint8], *, size: tuple[int, int] = SIZE, cell: int = 4, step: int = 8, root: bool = False
) -> NDArray[np.float64]:
    """Return the descriptors of pixels (*size, 3), float64 (dim,)."""
    right, up = _blurred_gradients(grey(pixels))
    lengths, turns = np.hypot(right, up), _turns(right, up)
    points = [(y, x) for y in positions(size[0], cell, step) for x in positions(size[1], cell, step)]
    return np.concatenate([_finished(_histograms(lengths, turns, point, cell), root=root) for point in points])


def dim(*, size: tuple[int, int] = SIZE, cell: int = 4, step: int = 8, root: bool = False) -> int:  # noqa: ARG001  # `root`: every function of a head takes all its settings; RootSIFT is as long as SIFT
    """Return the number of components: points times 128."""
    return NUMBERS * len(positions(size[0], cell, step)) * len(positions(size[1], cell, step))


def positions(length: int, cell: int, step: int) -> NDArray[np.int64]:
    """Return the rows (or columns) of the points in a picture with so many of them."""
    room = length - CELLS * cell
    if room < 0 or cell < 1 or step < 1:
        raise InvalidArgument(
            f"dense SIFT with cells of {cell} pixels, {step} pixels apart, has no point in {length} rows or columns; "
            f"a point takes {CELLS} cells, cells and steps at least 1 pixel"
        )
    return np.arange(0, room + 1, step) + (room % step) // 2 + CELLS * cell // 2


@cache
def taps() -> NDArray[np.int64]:
    """Return the Gaussian, (13,) in 2^-22."""
    kernel = np.exp(-(np.arange(-6, 7) ** 2) / (2 * (1.6**2 - 0.5**2)))
    scaled = np.rint(kernel / kernel.sum() * 2**22).astype(np.int64)
    scaled[6] += 2**22 - scaled.sum()
    return scaled


def _directions(graph: Graph, size: tuple[int, int]) -> str:
    """Add |g| max(0, 1 - |o - k|), float64 (n, 8, h, w)."""
    right, up = _gradients(graph, size)
    lengths = graph.add("Sqrt", graph.add("Add", graph.add("Mul", right, right), graph.add("Mul", up, up)))
    turned = graph.add("Sub", _eighths(graph, right, up), np.arange(BINS, dtype=np.float64).reshape(-1, 1, 1))
    # With t = |o - k| from 0 to 8, the way around the turn is 4 - |t - 4|, and 1 less this is |t - 4| - 3.
    away = graph.add("Abs", graph.add("Sub", graph.add("Abs", turned), np.float64(4)))
    return graph.add("Mul", graph.add("Max", graph.add("Sub", away, np.float64(3)), np.float64(0)), lengths)


def _gradients(graph: Graph, size: tuple[int, int]) -> tuple[str, str]:
    """Add g_x and g_y of the blurred grey, float64 (n, 1, h, w)."""
    light = graph.add("Cast", graph.add("Unsqueeze", add_grey(graph), np.array([1])), to=onnx.TensorProto.DOUBLE)
    (blur_rows, steps_down), (blur_columns, steps_right) = (_blur_and_steps(length) for length in size)
    # All products are sums of integers below 2^53, whatever their order.
    right = graph.add("MatMul", graph.add("MatMul", blur_rows, light), steps_right.T.copy())
    up = graph.add("MatMul", graph.add("MatMul", -steps_down, light), blur_columns.T.copy())
    return graph.add("Mul", right, np.float64(2.0**-44)), graph.add("Mul", up, np.float64(2.0**-44))


def _blur_and_steps(length: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (length, length) matrices that blur a row, and that take each next blurred value minus the one before."""
    places = np.pad(np.arange(length), 6, mode="reflect") if length > 1 else np.zeros(13, np.int64)
    blur = np.zeros((length, length))
    for index in range(length):
        np.add.at(blur[index], places[index : index + 13], taps())
    steps = np.zeros_like(blur)
    steps[1:-1] = blur[2:] - blur[:-2]
    return blur, steps


def _eighths(graph: Graph, right: str, up: str) -> str:
    """Add the direction in eighths of a turn, 0 to 8, of gradients of any length (0 for none)."""
    add, x, y = graph.add, graph.add("Abs", right), graph.add("Abs", up)
    longer = add("Max", add("Max", x, y), np.float64(np.finfo(np.float64).tiny))
    ratio = add("Div", add("Min", x, y), longer)
    square = add("Mul", ratio, ratio)
    turn: str | np.float64 = np.float64(ARCTANGENT[3] * 4 / np.pi)
    for factor in ARCTANGENT[2::-1]:
        turn = add("Add", add("Mul", turn, square), np.float64(factor * 4 / np.pi))
    turn = add("Mul", turn, ratio)
    steep = add("Where", add("Less", x, y), add("Sub", np.float64(2), turn), turn)
    left = add("Where", add("Less", right, np.float64(0)), add("Sub", np.float64(4), steep), steep)
    return add("Where", add("Less", up, np.float64(0)), add("Sub", np.float64(8), left), left)


def _weights(length: int, cell: int, step: int) -> NDArray[np.float64]:
    """Return the weight of each row (or column) for each cell of each point, (4 points, length)."""
    places = (np.arange(length) - positions(length, cell, step)[:, np.newaxis, np.newaxis]) / cell
    near = np.maximum(0, 1 - abs(places - np.arange(-1.5, 2)[:, np.newaxis]))
    weights = near * np.exp(-(places**2) / 8)
    weights[:, :, [0, -1]] = 0
    return weights.reshape(-1, length)


def _scaled(graph: Graph, points: str, *, root: bool) -> str:
    """Add the finished descriptors of histograms (n, points, 128)."""
    most = graph.add("Mul", _length(graph, points), np.float64(0.2))
    cut = graph.add("Min", points, most)
    least = graph.add("Max", _length(graph, cut), np.float64(SMALLEST))
    made = graph.add("Min", graph.add("Div", graph.add("Mul", cut, np.float64(512)), least), np.float64(255))
    if not root:
        return made
    total = graph.add("ReduceSum", made, np.array([2]), keepdims=1)
    return graph.add("Sqrt", graph.add("Div", made, graph.add("Max", total, np.float64(SMALLEST))))


def _length(graph: Graph, points: str) -> str:
    return graph.add("Sqrt", graph.add("ReduceSum", graph.add("Mul", points, points), np.array([2]), keepdims=1))


def _blurred_gradients(light: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return g_x and g_y of every pixel of a grey picture, (h, w), 0 at the outermost ones."""
    height, width = light.shape
    around = np.pad(light, 6, mode="reflect")
    rows = sum(tap * around[k : k + height] for k, tap in enumerate(taps()))
    blurred = sum(tap * rows[:, k : k + width] for k, tap in enumerate(taps()))
    right, up = np.zeros((2, height, width))
    right[1:-1, 1:-1] = blurred[1:-1, 2:] - blurred[1:-1, :-2]
    up[1:-1, 1:-1] = blurred[:-2, 1:-1] - blurred[2:, 1:-1]
    return right / 2**44, up / 2**44


def _turns(right: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return OpenCV's fastAtan2 in eighths of a turn."""
    x, y = abs(right), abs(up)
    t = np.minimum(x, y) / np.where(x + y > 0, np.maximum(x, y), 1)
    angle = 4 / np.pi * sum(factor * t ** (2 * k + 1) for k, factor in enumerate(ARCTANGENT))
    angle = np.where(x < y, 2 - angle, angle)
    angle = np.where(right < 0, 4 - angle, angle)
    return np.where(up < 0, 8 - angle, angle)


def _histograms(
    lengths: NDArray[np.float64], turns: NDArray[np.float64], point: tuple[int, int], cell: int
) -> NDArray[np.float64]:
    """Return the histograms around one point, (4, 4, 8); lengths, turns: of the gradients, (h, w)."""
    reach, cells = 5 * cell // 2, np.arange(CELLS)[:, np.newaxis]
    y, x = (np.arange(max(0, at - reach), min(end, at + reach + 1)) for at, end in zip(point, turns.shape, strict=True))
    v, u = (y - point[0]) / cell, (x - point[1]) / cell
    rows, columns = (np.maximum(0, 1 - abs(places - cells + 1.5)) for places in (v, u))
    amounts = lengths[np.ix_(y, x)] * np.exp(-(v[:, np.newaxis] ** 2 + u**2) / 8)
    away = abs(turns[np.ix_(y, x)] - np.arange(BINS).reshape(-1, 1, 1))
    bins = np.maximum(0, 1 - np.minimum(away, BINS - away))
    return np.einsum("iy,jx,kyx,yx->ijk", rows, columns, bins, amounts)


def _finished(histograms: NDArray[np.float64], *, root: bool) -> NDArray[np.float64]:
    flat = histograms.ravel()
    cut = np.minimum(flat, 0.2 * np.sqrt((flat**2).sum()))
    made = np.minimum(255, 512 * cut / max(np.sqrt((cut**2).sum()), SMALLEST))
    return np.sqrt(made / max(made.sum(), SMALLEST)) if root else made
