"""What every head keeps: a new one is tested by being there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_embedding.encoder import Session
from pixkin_embedding.preprocessing import Preprocessing
from pixkin_export.asked import Asked, ask
from pixkin_export.graph import Graph
from pixkin_export.heads.registry import HEADS, Head, Parameter, Takes, register_head
from pixkin_export.heads.specs import parse_spec
from pixkin_export.sources.source import Layer, Seen, no_layer
from pixkin_proto.descriptors import Norm
from pixkin_proto.errors import InvalidArgument, PixkinError

Maps = NDArray[np.float32]
Vectors = NDArray[np.float32]
draw = np.random.default_rng(12)


def _some(*shape: int) -> Maps:
    return draw.normal(size=shape).astype(np.float32)


MAPS: Mapping[str, Maps] = {
    "numbers of both signs": _some(3, 5, 7, 9),
    "activations": np.maximum(_some(3, 5, 7, 9), 0) * 40,
    "one position": _some(2, 6, 1, 1),
    "a tall map": _some(2, 4, 41, 2),
    "a wide map": _some(2, 4, 3, 38),
    "a square map": np.maximum(_some(1, 8, 14, 14), 0),
    "one channel": _some(2, 1, 6, 5),
    "maps without anything": np.zeros((2, 5, 4, 6), np.float32),
    "the same everywhere": np.full((2, 3, 5, 5), 0.25, np.float32),
    "large and the same everywhere": np.full((1, 3, 300, 500), 211.7, np.float32)
    * np.float32([[[[1]], [[0.3]], [[7]]]]),
    "nothing positive": -abs(_some(2, 4, 5, 6)),
    "one map without anything": np.maximum(_some(2, 4, 6, 6), 0) * np.array([1, 0, 1, 1], np.float32)[:, None, None],
}
VECTORS: Mapping[str, Vectors] = {
    "numbers of both signs": _some(4, 9),
    "one number": _some(2, 1),
    "the same number twice": np.array([[1, 3, 3, 2], [0, 0, 0, 0]], np.float32),
}
OPEN: Mapping[str, Sequence[str]] = {
    "bins": ("1", "256", "2x2x2", "256x1x1", "9x3x3"),
    "regions": ("whole", "quadrants-ellipse", "1x1", "3x5", "64x1"),
}
"""Settings that are no range and no choice of words, by their names."""
SIZE = (64, 64)


class Fixed:
    """A source whose layers are arrays (n, …) that are given."""

    against = "numbers"
    preprocessing = Preprocessing("exact", SIZE, filter="bilinear")

    def __init__(self, layers: Mapping[str, NDArray[np.float32]], learnt: Mapping[str, Any]) -> None:
        self.learnt, self._layers = learnt, layers

    def layer(self, name: str) -> Layer:
        """Return what a layer gives."""
        if name not in self._layers:
            raise no_layer(name, self._layers)
        return Layer("map" if self._layers[name].ndim == 4 else "vector", self._layers[name].shape[1])

    def add(self, graph: Graph, layers: Sequence[str]) -> dict[str, str]:
        """Add the arrays."""
        return {name: graph.constant(self._layers[name]) for name in layers}

    def see(self, picture: NDArray[np.uint8], layers: Sequence[str]) -> Seen:
        """Return the first of each."""
        del picture
        return self.at(0, layers)

    def at(self, place: int, layers: Sequence[str]) -> Seen:
        """Return one of each."""
        return Seen(np.zeros(0), {name: self._layers[name][place].astype(np.float64) for name in layers})


@pytest.fixture(scope="module")
def learnt(words: NDArray[np.float32]) -> Mapping[str, Any]:
    return {"vocabulary": words[:30]}


Check = Callable[[str, Mapping[str, NDArray[np.float32]]], None]


@pytest.fixture
def check(learnt: Mapping[str, Any]) -> Check:
    """Holds the graph of a descriptor to its formula and to what is declared of it."""
    pictures = np.random.default_rng(8).integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    pictures[1] = 77

    def run(text: str, layers: Mapping[str, NDArray[np.float32]]) -> None:
        source = Fixed(layers, learnt)
        asked = ask("heads", source, [text])
        count = len(next(iter(layers.values()), pictures))
        made = Session(asked.model.SerializeToString(), "cpu").run(pictures, [asked.specs[0].name])
        vectors = made[asked.specs[0].name]
        expected = [asked.expected(source.at(place, list(layers)), pictures[min(place, 1)]) for place in range(count)]
        _compare(asked, vectors, np.stack([each[asked.specs[0].name] for each in expected]))

    return run


def _compare(asked: Asked, vectors: Vectors, expected: NDArray[np.float64]) -> None:
    [declared] = asked.descriptors
    assert vectors.shape == expected.shape == (len(vectors), declared.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert abs(vectors - expected).max() <= 2e-6 * max(1, abs(expected).max())
    assert not (declared.non_negative and (vectors < 0).any())
    if declared.norm is not Norm.NONE:
        lengths = np.linalg.norm(vectors, ord=1 if declared.norm is Norm.L1 else 2, axis=1)
        assert lengths[vectors.any(axis=1)] == pytest.approx(1, abs=1e-5)


def _texts(head: Head) -> Iterator[str]:
    """Yield what can be asked of a head: as it is, every norm, and each setting at its ends."""
    yield head.name
    yield from (f"{head.name}:norm={norm}" for norm in Norm)
    for key, parameter in head.parameters.items():
        yield from (f"{head.name}:{key}={value}" for value in _ends(key, parameter))


def _ends(key: str, parameter: Parameter) -> Sequence[str]:
    if found := re.fullmatch(r"([\d.]+) to ([\d.]+)", parameter.allowed):
        return found.groups()
    return OPEN[key] if key in OPEN else re.split(", | or ", parameter.allowed)


def _of(*takes: Takes) -> list[str]:
    return [text for head in HEADS.values() if head.takes in takes for text in _texts(head)]


@pytest.mark.parametrize("maps", MAPS.values(), ids=MAPS)
@pytest.mark.parametrize("text", _of(Takes.MAP, Takes.MAPS))
def test_the_graph_of_a_head_of_maps_computes_its_formula(text: str, maps: Maps, check: Check) -> None:
    check(f"{text}{',' if ':' in text else ':'}layer=features", {"features": maps})


@pytest.mark.parametrize("vectors", VECTORS.values(), ids=VECTORS)
@pytest.mark.parametrize("text", _of(Takes.VECTOR))
def test_the_graph_of_a_head_of_vectors_computes_its_formula(text: str, vectors: Vectors, check: Check) -> None:
    check(f"{text}{',' if ':' in text else ':'}layer=values", {"values": vectors})


@pytest.mark.parametrize("text", _of(Takes.PIXELS))
def test_the_graph_of_a_head_of_pixels_computes_its_formula_or_says_why_not(text: str, check: Check) -> None:
    said = ""
    try:
        check(text, {})
    except InvalidArgument as refused:  # a cell of 64 pixels has no room in 64 rows; four numbers of bins are too many
        said = refused.message
    assert "\n" not in said
    assert not said or ":" in text


@pytest.mark.parametrize(
    "head", [head for head in HEADS.values() if head.takes is Takes.MAPS], ids=lambda head: head.name
)
def test_a_head_of_several_layers_goes_through_them_in_the_order_of_the_words(head: Head, check: Check) -> None:
    layers = {"one": MAPS["activations"], "other": _some(3, 2, 4, 4)}
    check(f"{head.name}:layer=other/one", layers)
    check(f"{head.name}:layer=one/other", layers)
    assert ask("heads", Fixed(layers, {}), [f"{head.name}:layer=one/one"]).descriptors[0].dim == 2 * 5 * 3


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_batch_gives_what_each_gets_alone(head: Head, learnt: Mapping[str, Any]) -> None:
    batch = VECTORS["numbers of both signs"] if head.takes is Takes.VECTOR else MAPS["activations"]
    text = head.name if head.takes is Takes.PIXELS else f"{head.name}:layer=it"
    pictures = np.random.default_rng(2).integers(0, 256, (3, *SIZE, 3), dtype=np.uint8)

    def run(values: NDArray[np.float32], pixels: NDArray[np.uint8]) -> Vectors:
        asked = ask("heads", Fixed({"it": values}, learnt), [text])
        name = asked.specs[0].name
        return Session(asked.model.SerializeToString(), "cpu").run(pixels, [name])[name]

    alone = [run(batch[[place]], pictures[[place]]) for place in range(3)]
    assert run(batch[:3], pictures) == pytest.approx(np.concatenate(alone), abs=1e-6)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_setting_beyond_its_ends_is_refused_in_one_line(head: Head, learnt: Mapping[str, Any]) -> None:
    layers = {"features": MAPS["activations"], "penultimate": VECTORS["one number"], "logits": VECTORS["one number"]}
    for key, parameter in head.parameters.items():
        found = re.fullmatch(r"([\d.]+) to ([\d.]+)", parameter.allowed)
        beyond = [str(float(found[1]) / 2), str(int(found[2]) + 1)] if found else []
        for value in (*beyond, "zzz", "-1", "nan", "1e9", "0x0", "999x999x999"):
            with pytest.raises(InvalidArgument) as refused:
                ask("heads", Fixed(layers, learnt), [f"{head.name}:{key}={value}"])
            assert "\n" not in refused.value.message
            assert value in refused.value.message


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_setting_that_a_head_does_not_have_is_answered_with_those_it_has(head: Head) -> None:
    keys = [*head.parameters, "norm", *([] if head.takes is Takes.PIXELS else ["layer"])]
    with pytest.raises(InvalidArgument, match=f"{head.name} has no setting colour; it has {', '.join(sorted(keys))}"):
        parse_spec(f"{head.name}:colour=red")


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_every_head_is_described_to_people(head: Head) -> None:
    assert len(head.title) > 5
    assert "\n" not in head.title


def test_the_name_of_a_head_is_given_once() -> None:
    with pytest.raises(InvalidArgument, match="there is a head gap already"):
        register_head(HEADS["gap"])


def test_all_errors_of_words_are_errors_of_pixkin() -> None:
    for text in (
        "=",
        ":",
        "+",
        "@",
        "gap@",
        "gap@x",
        "x=",
        "gap:",
        "gap:=",
        "gap:p",
        "gap:p=",
        "/",
        "gap:layer=/",
        "a=b=c",
    ):
        with pytest.raises(PixkinError):
            ask("heads", Fixed({}, {}), [text])
