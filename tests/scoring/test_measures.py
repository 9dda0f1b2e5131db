"""Conformance of every registered measure: definition = formula = kernel = reply."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pixkin_proto import descriptors
from pixkin_proto.descriptors import Descriptor, Kind
from pixkin_proto.errors import (
    DimensionMismatch,
    InvalidArgument,
    MeasureNotApplicable,
    NotFinite,
    UnknownMeasure,
    ZeroVector,
)
from pixkin_scoring.measures import (
    MEASURES,
    Better,
    Measure,
    check_query,
    check_vector,
    prepared_query,
    register_measure,
    scores,
    values,
)
from pixkin_scoring.query import ScoringQuery
from pixkin_scoring.scan import Columns, top

HISTOGRAM = Descriptor("histogram", 3, non_negative=True, default_measure="chi2")
EMBEDDING = Descriptor("embedding", 3)
EPSILON = 1e-4
Numbers = Sequence[float]
Check = Callable[[NDArray[Any], Descriptor], NDArray[Any]]

every_measure = pytest.mark.parametrize("name", list(MEASURES))
both_modes = pytest.mark.parametrize("normalise", [True, False])


def euclidean(q: Numbers, x: Numbers) -> float:
    return math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(q, x, strict=True)))


def manhattan(q: Numbers, x: Numbers) -> float:
    return math.fsum(abs(a - b) for a, b in zip(q, x, strict=True))


def cosine(q: Numbers, x: Numbers) -> float:
    return _dot(q, x) / math.sqrt(_dot(q, q) * _dot(x, x)) if any(x) else 0.0


def angular(q: Numbers, x: Numbers) -> float:
    """The angle from exact sine and cosine: the sine's square is the Gram determinant, in rational numbers."""
    if not any(x):
        return 0.5
    a, b = [Fraction(v) for v in q], [Fraction(v) for v in x]
    qq, xx, qx = (sum(u * v for u, v in zip(s, t, strict=True)) for s, t in ((a, a), (b, b), (a, b)))
    scale = qq * xx
    return math.atan2(math.sqrt((scale - qx * qx) / scale), float(qx) / math.sqrt(scale)) / math.pi


def chi2(q: Numbers, x: Numbers) -> float:
    return math.fsum((a - b) ** 2 / (a + b) for a, b in zip(q, x, strict=True) if a + b > 0) / 2


def kl(q: Numbers, x: Numbers) -> float:
    return math.fsum((a + EPSILON) * math.log((a + EPSILON) / (b + EPSILON)) for a, b in zip(q, x, strict=True))


def bhattacharyya(q: Numbers, x: Numbers) -> float:
    return -math.log(max(math.fsum(math.sqrt(a * b) for a, b in zip(q, x, strict=True)), 1e-10))


def intersection(q: Numbers, x: Numbers) -> float:
    return math.fsum(min(a, b) for a, b in zip(q, x, strict=True))


def jensen_shannon(q: Numbers, x: Numbers) -> float:
    def entropy(p: Numbers, other: Numbers) -> float:
        return math.fsum(a * math.log(a / ((a + b) / 2)) for a, b in zip(p, other, strict=True) if a > 0)

    return (entropy(q, x) + entropy(x, q)) / 2


def _dot(q: Numbers, x: Numbers) -> float:
    return math.fsum(a * b for a, b in zip(q, x, strict=True))


DEFINITIONS = {
    f.__name__: f
    for f in (euclidean, manhattan, cosine, angular, chi2, kl, bhattacharyya, intersection, jensen_shannon)
}
DISJOINT = {"chi2": 1.0, "intersection": 0.0, "jensen_shannon": math.log(2), "bhattacharyya": -math.log(1e-10)}


def defined(name: str, query: NDArray[np.float32], document: NDArray[np.float32], *, normalise: bool) -> float:
    """The contract's value of one pair, in plain Python: an independent reading of the table."""
    q, x = query.tolist(), document.tolist()
    if MEASURES[name].kind is Kind.MASS and normalise:
        if not any(x) and name in DISJOINT:
            return DISJOINT[name]
        q, x = ([a / (math.fsum(p) or 1.0) for a in p] for p in (q, x))
    value = DEFINITIONS[name](q, x)
    return max(value, 0.0) if normalise and name in ("kl", "bhattacharyya") else value


def pairs() -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Pairs of non-negative vectors (query, document), float32, by what is special about them."""
    rng = np.random.default_rng(7)
    query = rng.random(48).astype(np.float32)
    left, right = np.zeros(48, np.float32), np.zeros(48, np.float32)
    left[:20], right[20:] = query[:20], query[20:]
    gap = query.copy()
    gap[5] = 0
    sparse = [np.where(rng.random(405) < 0.1, rng.random(405), 0).astype(np.float32) for _ in range(2)]
    neighbour = query.copy()
    neighbour[3] = np.nextafter(neighbour[3], np.float32(2))
    return {
        "random": (query, rng.random(48).astype(np.float32)),
        "self": (query, query.copy()),
        "scaled self": (query, query * np.float32(3)),
        "near-duplicate": (query, (query * (1 + 1e-4 * rng.standard_normal(48))).astype(np.float32)),
        "next float": (query, neighbour),
        "disjoint": (left, right),
        "empty bin in the document": (query, gap),
        "empty bin in the query": (gap, query),
        "sparse": tuple(sparse),
        "unnormalised": (query * np.float32(250), rng.random(48).astype(np.float32) * np.float32(40)),
        "zero document": (query, np.zeros(48, np.float32)),
        "one dimension": (query[:1], query[1:2]),
        "deep": (rng.random(4096).astype(np.float32), rng.random(4096).astype(np.float32)),
    }


PAIRS = pairs()
every_pair = pytest.mark.parametrize("pair", list(PAIRS))


def close(value: float, expected: float, *, least: float) -> bool:
    return abs(value - expected) <= 1e-6 * max(abs(expected), least)


def by_kernel(
    name: str,
    query: NDArray[np.float32],
    documents: NDArray[np.float32],
    *,
    normalise: bool,
    dtype: type[np.floating] = np.float32,
) -> NDArray[Any]:
    """Values of the bare kernel, called as the scan calls it."""
    measure, columns = MEASURES[name], Columns.of([""] * len(documents), documents)
    totals = columns.norms if measure.kind is Kind.ANY else columns.sums
    if measure.kind is Kind.MASS and not normalise:
        totals = np.ones(len(documents))
    out = np.empty(len(documents), dtype)
    read = columns.logs(normalise) if measure.logs else documents
    measure.kernel(prepared_query(measure, query, normalise=normalise), read, totals, measure.disjoint or 0.0, out)
    return out


def float32_least(name: str, query: NDArray[np.float32], *, normalise: bool) -> float:
    """The magnitude that a float32 kernel's error is measured against: entropies of raw vectors add large terms."""
    return max(1.0, float(query.sum())) if name in ("kl", "jensen_shannon") and not normalise else 1.0


def reply(
    name: str, query: NDArray[np.float32], documents: NDArray[np.float32], *, normalise: bool
) -> dict[str, float]:
    columns = Columns.of([f"{i:05d}" for i in range(len(documents))], documents)
    found = top(columns, ScoringQuery("", name, query.astype(np.float64), normalise=normalise), len(documents))
    return dict(zip(found.ids, found.values, strict=True))


def test_the_registry_has_the_declared_measures_in_their_order() -> None:
    assert list(MEASURES) == list(descriptors.MEASURES)
    assert all(
        MEASURES[name].name == name and MEASURES[name].kind is kind for name, kind in descriptors.MEASURES.items()
    )


@every_measure
@every_pair
@both_modes
def test_the_formula_is_the_definition(name: str, pair: str, *, normalise: bool) -> None:
    query, document = PAIRS[pair]
    expected = defined(name, query, document, normalise=normalise)
    assert close(values(name, query, document[None], normalise=normalise)[0], expected, least=1e-6)


@every_measure
@every_pair
@both_modes
def test_the_float32_kernel_is_the_formula_to_a_millionth(name: str, pair: str, *, normalise: bool) -> None:
    query, document = PAIRS[pair]
    expected = values(name, query, document[None], normalise=normalise)[0]
    least = float32_least(name, query, normalise=normalise)
    assert close(by_kernel(name, query, document[None], normalise=normalise)[0], expected, least=least)


@pytest.mark.parametrize("name", [name for name, measure in MEASURES.items() if measure.float64])
@every_pair
@both_modes
def test_the_float64_kernel_may_stand_in_for_the_formula(name: str, pair: str, *, normalise: bool) -> None:
    query, document = PAIRS[pair]
    expected = values(name, query, document[None], normalise=normalise)[0]
    found = by_kernel(name, query, document[None], normalise=normalise, dtype=np.float64)[0]
    assert close(found, expected, least=1e-6)


@every_measure
@every_pair
@both_modes
def test_a_reply_has_the_definitions_value(name: str, pair: str, *, normalise: bool) -> None:
    query, document = PAIRS[pair]
    crowd = np.random.default_rng(1).random((200, len(query))).astype(np.float32)
    found = reply(name, query, np.vstack([crowd, document]), normalise=normalise)
    assert close(found["00200"], defined(name, query, document, normalise=normalise), least=1e-6)


components = st.one_of(st.just(0.0), st.floats(2.0**-20, 2.0**20, width=32))
generated_pairs = st.integers(1, 24).flatmap(lambda d: arrays.arrays(np.float32, (2, d), elements=components))


@every_measure
@both_modes
@settings(max_examples=60, deadline=None)
@given(pair=generated_pairs.filter(lambda pair: pair[0].any()))
@example(pair=np.float32([[1, 0], [0, 1]]))
def test_definition_formula_and_kernel_agree_on_generated_pairs(
    name: str, *, normalise: bool, pair: NDArray[np.float32]
) -> None:
    query, document = pair
    expected = defined(name, query, document, normalise=normalise)
    assert close(values(name, query, document[None], normalise=normalise)[0], expected, least=1e-6 * scale(pair))
    least = float32_least(name, pair.sum(axis=0), normalise=normalise)
    assert close(by_kernel(name, query, document[None], normalise=normalise)[0], expected, least=least)


def scale(pair: NDArray[np.float32]) -> float:
    return max(1.0, float(pair.max()))


@pytest.mark.parametrize("name", [name for name, kind in descriptors.MEASURES.items() if kind is Kind.ANY])
@settings(max_examples=60, deadline=None)
@given(pair=arrays.arrays(np.float32, (2, 9), elements=st.floats(-1024, 1024, width=32)))
def test_measures_of_any_vectors_agree_on_signed_pairs(name: str, pair: NDArray[np.float32]) -> None:
    query, document = np.where(np.abs(pair) < 1e-6, 0, pair).astype(np.float32)
    if query.any():
        expected = defined(name, query, document, normalise=True)
        assert close(values(name, query, document[None])[0], expected, least=1e-6)
        assert close(by_kernel(name, query, document[None], normalise=True)[0], expected, least=1.0)


@every_measure
@both_modes
def test_scores_are_finite_not_negative_and_rise_as_values_get_better(name: str, *, normalise: bool) -> None:
    rng = np.random.default_rng(3)
    documents = (rng.random((300, 30)) ** 8 * 10.0 ** rng.integers(-3, 3, (300, 1))).astype(np.float32)
    documents[0] = 0
    found = values(name, documents[1], documents, normalise=normalise)
    ascending = np.sort(found) if MEASURES[name].better is Better.HIGH else -np.sort(-found)
    ranked = scores(name, ascending)
    assert np.isfinite(ranked).all()
    assert (ranked >= 0).all()
    assert (np.diff(ranked) >= 0).all()


def test_a_negative_kl_of_raw_vectors_scores_above_one() -> None:
    query, document = np.float32([0.1, 0.2]), np.float32([3.0, 4.0])
    found = values("kl", query, document[None], normalise=False)
    assert found[0] < 0
    assert scores("kl", found)[0] == 1 - found[0]


@every_measure
def test_the_query_itself_ranks_first(name: str) -> None:
    rng = np.random.default_rng(5)
    query = rng.random(405).astype(np.float32)
    neighbours = np.repeat(query[None], 405, axis=0)
    np.fill_diagonal(neighbours, np.nextafter(query, np.float32(2)))
    documents = np.vstack([query, neighbours, rng.random((200, 405)).astype(np.float32)])
    found = values(name, query, documents)
    best = found.min() if MEASURES[name].better is Better.LOW else found.max()
    assert found[0] == best


@pytest.mark.parametrize("dim", [1, 7, 128, 405, 4096, 65_536])
def test_a_picture_has_no_distance_to_itself_in_any_dimension(dim: int) -> None:
    query = np.random.default_rng(dim).random(dim).astype(np.float32)
    perfect = {name: 1.0 if MEASURES[name].better is Better.HIGH else 0.0 for name in MEASURES}
    found = {name: values(name, query, query[None])[0] for name in MEASURES}
    assert found.pop("intersection") == pytest.approx(1.0, abs=1e-12)
    assert found == {name: perfect[name] for name in found}


@pytest.mark.parametrize("name", list(DISJOINT))
def test_a_zero_document_has_the_value_of_a_disjoint_pair(name: str) -> None:
    query, disjoint = np.float32([1, 3, 0]), np.float32([0, 0, 5])
    found = values(name, query, np.stack([disjoint, np.zeros(3, np.float32)]))
    assert found == pytest.approx([DISJOINT[name]] * 2)


@every_measure
@both_modes
def test_vectors_at_the_ends_of_the_range_give_finite_values(name: str, *, normalise: bool) -> None:
    extremes = np.float32([1e-45, 1e-38, 1e-20, 1, 1e15])
    documents = np.array(np.meshgrid(extremes, extremes, [0.0, 1e-45, 1e15])).reshape(3, -1).T.astype(np.float32)
    documents = np.ascontiguousarray(np.vstack([documents, np.zeros(3, np.float32)]))
    for query in documents[:-1]:
        found = values(name, query, documents, normalise=normalise)
        assert np.isfinite(found).all()
        assert np.isfinite(scores(name, found)).all()
        assert np.isfinite(by_kernel(name, query, documents, normalise=normalise)).all()


def test_a_tenth_measure_is_registered_as_the_nine_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def canberra(q: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
        return (np.abs(q - x) / np.maximum(np.abs(q) + np.abs(x), 1e-300)).sum(axis=1)

    def kernel(query: NDArray[Any], documents: NDArray[Any], _totals: Any, _disjoint: float, out: NDArray[Any]) -> None:
        out[:] = canberra(query, documents)

    monkeypatch.setitem(descriptors.MEASURES, "canberra", Kind.ANY)
    try:
        register_measure(Measure("canberra", Better.LOW, canberra, kernel, lambda v: 1 / (1 + v)))
        documents = np.random.default_rng(2).random((500, 6)).astype(np.float32)
        columns = Columns.of([f"{i:03d}" for i in range(500)], documents)
        found = top(
            columns, ScoringQuery("", "canberra", check_query(documents[40], Descriptor("e", 6), "canberra")), 9
        )
        assert found.ids[0] == "040"
        assert found.values == pytest.approx(np.sort(canberra(documents[40].astype(float), documents))[:9])
        assert scores("canberra", found.values)[0] == 1
    finally:
        del MEASURES["canberra"]


def test_a_measure_that_was_not_declared_is_refused() -> None:
    with pytest.raises(UnknownMeasure, match="chi2"):
        register_measure(Measure("canberra", Better.LOW, MEASURES["chi2"].formula, MEASURES["chi2"].kernel, abs))


def test_a_query_becomes_float64_and_a_document_contiguous_float32() -> None:
    query = check_query(np.float32([1, 2, 3]), HISTOGRAM, "chi2")
    document = check_vector(np.arange(6.0)[::2], HISTOGRAM)
    assert query.dtype == np.float64
    assert document.dtype == np.float32
    assert document.flags.c_contiguous
    assert document.tolist() == [0, 2, 4]


def test_an_unknown_measure_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownMeasure, match="jensen_shannon"):
        check_query(np.ones(3), HISTOGRAM, "hellinger")


def test_a_mass_measure_refuses_a_descriptor_that_may_be_negative() -> None:
    with pytest.raises(MeasureNotApplicable, match="cosine") as refused:
        check_query(np.ones(3), EMBEDDING, "chi2")
    assert refused.value.data == {"measure": "chi2", "descriptor": "embedding"}


@pytest.mark.parametrize("check", [check_vector, lambda v, d: check_query(v, d, "cosine")])
def test_a_vector_of_another_dimension_or_shape_is_refused(check: Check) -> None:
    with pytest.raises(DimensionMismatch, match="has 3 dimensions, the vector has 2"):
        check(np.ones(2), EMBEDDING)
    with pytest.raises(InvalidArgument, match=r"\(1, 3\)"):
        check(np.ones((1, 3)), EMBEDDING)


@pytest.mark.parametrize("component", [np.nan, np.inf, -np.inf, 1.1e15, -1.1e15])
@pytest.mark.parametrize("check", [check_vector, lambda v, d: check_query(v, d, "euclidean")])
def test_a_component_that_is_not_finite_or_huge_is_refused(check: Check, component: float) -> None:
    with pytest.raises(NotFinite):
        check(np.array([1.0, component, 1.0]), EMBEDDING)


def test_a_negative_component_is_refused_where_none_was_declared() -> None:
    vector = np.array([1.0, -0.5, 0.0])
    with pytest.raises(InvalidArgument, match=r"-0\.5"):
        check_vector(vector, HISTOGRAM)
    with pytest.raises(InvalidArgument, match=r"-0\.5"):
        check_query(vector, HISTOGRAM, "intersection")
    assert check_vector(vector, EMBEDDING).tolist() == [1.0, -0.5, 0.0]


@every_measure
def test_a_zero_query_is_refused_where_it_would_be_divided_by_zero(name: str) -> None:
    zero = np.array([0.0, 1e-60, 0.0])
    if name in ("euclidean", "manhattan"):
        assert check_query(zero, HISTOGRAM, name).tolist() == zero.tolist()
    else:
        with pytest.raises(ZeroVector):
            check_query(zero, HISTOGRAM, name)


def test_a_zero_document_is_accepted() -> None:
    assert not check_vector(np.zeros(3), HISTOGRAM).any()


@pytest.mark.parametrize("measure", ["chi2", "bhattacharyya", "jensen_shannon"])
def test_pairs_without_anything_in_common_are_ties(measure: str) -> None:
    draw = np.random.default_rng(11)
    query = np.zeros(400)
    query[:200] = draw.random(200)
    documents = np.zeros((300, 400))
    for count, row in enumerate(documents, start=1):
        row[200 : 200 + min(count, 200)] = draw.random(min(count, 200))
    assert set(values(measure, query, documents)) == {MEASURES[measure].disjoint}
