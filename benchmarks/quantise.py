"""What int8 gains and loses: efficientnet-lite0 with 8-bit weights and activations against itself with float32.

Both run by turns, a round of pictures each, so that a noisy machine disturbs both alike; the speed is the median over
rounds. A tenth of Corel-1k calibrates. The mean average precision is of all its pictures, each the query once, the
others ranked by cosine, relevant those of its class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter

import numpy as np
import onnx
import report
from numpy.typing import NDArray
from pixkin_embedding.encoder import Session
from pixkin_embedding.images import decode
from pixkin_embedding.preprocessing import Preprocessing, prepare
from pixkin_export.compare import Vectors, divide, how_near
from pixkin_export.graph import Graph
from pixkin_export.half import to_half
from pixkin_export.heads.normalisation import add_norm
from pixkin_export.heads.pooling import add_gap
from pixkin_export.origins import open_origin
from pixkin_export.quantise import quantise
from pixkin_export.sources.options import SourceOptions
from pixkin_proto.descriptors import Norm
from pixkin_scoring.evaluation.metrics import average_precision

Pixels = NDArray[np.uint8]
ROUNDS = 15
ROUND = 32
BATCH = 8
SPEED = 1.6
COSINE = 99.5
HALF_COSINE = 99.9
LOSS = 0.5
"""Percent, or hundredths of mAP."""
PACKAGES = ("numpy", "onnx", "onnxruntime")


def measure() -> Iterator[report.Row]:
    """Yield a row for each figure."""
    folder = report.corel()
    if folder is None:
        yield {"figure": "Corel-1k", "value": "no data", "limit": "", "ok": False}
        return
    files = sorted(folder.glob("*/*.jpg"))
    model, layer, preprocessing = network()
    pictures = np.stack([prepare(decode(file.read_bytes()), preprocessing) for file in files])
    calibrating, held_out = divide(range(len(files)), str(folder))
    began = perf_counter()
    small = quantise(model, pictures[calibrating], layers=[layer])
    seconds = perf_counter() - began
    sessions = [started(each) for each in (model, small, to_half(model, layers=[layer]))]
    yield from speeds(sessions[0], sessions[1], pictures[:ROUND])
    yield plain(f"calibrating with {len(calibrating)} pictures, s", seconds)
    yield plain("int8, share of the bytes", small.ByteSize() / model.ByteSize())
    yield from nearness("int8", sessions[0], sessions[1], pictures[held_out], COSINE)
    yield from nearness("fp16", sessions[0], sessions[2], pictures[held_out], HALF_COSINE)
    classes = np.array([file.parent.name for file in files])
    whole, less = (100 * mean_average_precision(encoded(each, pictures), classes) for each in sessions[:2])
    yield plain("Corel-1k, fp32, 100 mAP", whole)
    yield report.at_most("Corel-1k, 100 mAP that int8 loses", whole - less, LOSS)


def plain(figure: str, value: float) -> report.Row:
    """Return a row for a figure without a limit."""
    return {"figure": figure, "value": value, "limit": "", "ok": True}


def network() -> tuple[onnx.ModelProto, str, Preprocessing]:
    """Return the graph of the extractor with its descriptor gap, the tensor that gap is made of, the preprocessing."""
    source = open_origin("lite:0", SourceOptions(), {}).source
    graph = Graph("efficientnet-lite0", *(source.preprocessing.output_shape or ()))
    features = source.add(graph, ["features"])["features"]
    graph.name({"gap": add_norm(graph, add_gap(graph, features), Norm.L2)})
    return graph.model({"gap": source.layer("features").size}), features, source.preprocessing


def started(model: onnx.ModelProto) -> Session:
    """Return the graph at work on the CPU."""
    return Session(model.SerializeToString(), "cpu")


def speeds(whole: Session, small: Session, pictures: Pixels) -> Iterator[report.Row]:
    """Yield images/s of both and their quotient, medians over rounds; the first round warms up."""
    rounds = [(timed(whole, pictures), timed(small, pictures)) for _ in range(ROUNDS + 1)][1:]
    for name, seconds in zip(("fp32", "int8"), zip(*rounds, strict=True), strict=True):
        yield plain(f"{name}, images/s", len(pictures) / median(seconds))
    yield report.at_least("int8, times the images/s of fp32", median(a / b for a, b in rounds), SPEED)


def timed(session: Session, pictures: Pixels) -> float:
    """Return the seconds that the pictures take."""
    began = perf_counter()
    encoded(session, pictures)
    return perf_counter() - began


def encoded(session: Session, pictures: Pixels) -> NDArray[np.float32]:
    """Return the vectors of pictures, (n, 1280), in batches."""
    places = range(0, len(pictures), BATCH)
    return np.concatenate([session.run(pictures[place : place + BATCH], ["gap"])["gap"] for place in places])


def nearness(name: str, whole: Session, small: Session, pictures: Pixels, least: float) -> Iterator[report.Row]:
    """Yield cosines and neighbours on pictures that did not calibrate."""
    [near] = how_near(encoder(whole), encoder(small), pictures)
    yield report.at_least(f"{name}, mean cosine to fp32, %", 100 * near.cosine_mean, least)
    yield plain(f"{name}, least cosine to fp32, %", 100 * near.cosine_min)
    yield plain(f"{name}, the same among the ten nearest, %", 100 * near.top_10)


def encoder(session: Session) -> Callable[[Pixels], Vectors]:
    """Return the session's function from pictures to vectors."""
    return lambda pictures: session.run(pictures, ["gap"])


def mean_average_precision(vectors: NDArray[np.float32], classes: NDArray[np.str_]) -> float:
    """Return the mean over queries; vectors: (n, d) of length 1."""
    similarities = vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(similarities, -np.inf)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :-1]
    relevant = classes[order] == classes[:, np.newaxis]
    return float(np.mean([average_precision(row, int(row.sum())) for row in relevant]))


if __name__ == "__main__":
    report.main(measure, PACKAGES, __doc__)
