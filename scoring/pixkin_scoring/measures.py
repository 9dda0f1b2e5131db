"""The measures: how two descriptors compare, each with its executable definition and its kernel.

Reading MEASURES, at the end of the file, is reading the list. q is the query, x the document. A measure's value has its
own direction; its score is at least 0 and higher is better.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import MEASURES as KINDS
from pixkin_proto.descriptors import Descriptor, Kind
from pixkin_proto.errors import (
    DimensionMismatch,
    InvalidArgument,
    MeasureNotApplicable,
    NotFinite,
    UnknownMeasure,
    ZeroVector,
)

from pixkin_scoring import kernels
from pixkin_scoring.kernels import EPSILON, LEAST_OVERLAP

Floats = NDArray[np.float64]
Formula = Callable[[Floats, Floats], Floats]

MAX_COMPONENT = 1e15
ROUNDING = 1e-14
"""Normalised values below this are the rounding of 0 (16 pairwise additions of 65,536 bins lose 2e-15)."""
NEXT_TO_DISJOINT = 1e-12
"""Below the largest value by less than this is its rounding, also where terms are added one by one."""
SMALLEST = np.finfo(np.float64).tiny
"""A stand-in for 0 that can be divided by and has a logarithm: 0/0 and 0·ln 0 become 0."""
BLOCK = 1 << 14
"""Components that the formulas treat at a time: larger intermediate arrays come as fresh pages, 2-3 times slower."""


class Better(StrEnum):
    """Which values of a measure are better."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True)
class Measure:
    """One way to compare two descriptors.

    formula: (q (d,), x (n, d)) -> (n,) float64, the executable definition, on vectors that are normalised if they have
    to be · kernel: the same for all documents of a collection, see `kernels` · score: values -> scores · disjoint: the
    value of a zero document, None where the formula gives it · clamped: only rounding puts a normalised value below 0 ·
    logs: the kernel reads the derived log matrix in place of the vectors · float64: in float64 the kernel holds the
    formula's values, so that it can stand in for the formula · terms: what every bin adds to a mass measure, (n, d).
    """

    name: str
    better: Better
    formula: Formula
    kernel: Callable[..., None]
    score: Callable[[Floats], Floats]
    disjoint: float | None = None
    clamped: bool = False
    logs: bool = False
    float64: bool = True
    terms: Formula | None = None

    @property
    def kind(self) -> Kind:
        """What the measure compares: any vectors, or distributions of a mass."""
        return KINDS[self.name]

    def divides(self, *, normalise: bool) -> bool:
        """Return whether both sides are divided by their own sum before the formula."""
        return normalise and self.kind is Kind.MASS


MEASURES: dict[str, Measure] = {}
"""Every measure by name, in the order of pixkin_proto.descriptors.MEASURES."""


def register_measure(measure: Measure) -> None:
    """Add a measure; its name and kind are declared in pixkin_proto.descriptors.MEASURES, else UnknownMeasure."""
    if measure.name not in KINDS:
        raise UnknownMeasure(measure.name, KINDS)
    MEASURES[measure.name] = measure


def find_measure(name: str) -> Measure:
    """Return a measure by its name; raise UnknownMeasure when there is none."""
    if name not in MEASURES:
        raise UnknownMeasure(name, MEASURES)
    return MEASURES[name]


def values(measure: str, query: NDArray[Any], documents: NDArray[Any], *, normalise: bool = True) -> Floats:
    """Return the values (n,) float64 of documents (n, d) for a query (d,): the definition that decides every order.

    With `normalise` the mass measures divide both sides by their own sums, a zero document has the value of a disjoint
    pair, and what only rounding put beside 0 is 0. Without, they compute the printed formula on the vectors as they
    are, and kl and bhattacharyya may be negative. The other measures take no notice of `normalise`. The query has
    passed `check_query`, every document `check_vector`. Raises UnknownMeasure.
    """
    known = find_measure(measure)
    q = prepared_query(known, query, normalise=normalise)
    rows = max(1, BLOCK // len(q))
    blocks = (documents[start : start + rows].astype(np.float64) for start in range(0, len(documents), rows))
    found = [_block_values(known, q, block, normalise=normalise) for block in blocks]
    return clamp(known, np.concatenate(found) if found else np.empty(0), normalise=normalise)


def prepared_query(measure: Measure, query: NDArray[Any], *, normalise: bool) -> Floats:
    """Return the query (d,) float64 as formula and kernel take it: divided by its sum where the measure does so."""
    q = query.astype(np.float64)
    return q / q.sum() if measure.divides(normalise=normalise) else q


def clamp(measure: Measure, found: Floats, *, normalise: bool) -> Floats:
    """Return values (n,) in which the rounding of 0 is 0, and that of a disjoint pair's value is that value.

    So pairs without anything in common are ties, however their terms were added up.
    """
    if not measure.divides(normalise=normalise):
        return found
    if measure.clamped:
        found = np.where(found < ROUNDING, 0.0, found)
    if measure.disjoint is not None and measure.better is Better.LOW:
        found = np.where(found > measure.disjoint - NEXT_TO_DISJOINT, measure.disjoint, found)
    return found


def scores(measure: str, found: Floats) -> Floats:
    """Return the scores (n,) float64 of values (n,): finite, at least 0, higher is better. Raises UnknownMeasure."""
    return find_measure(measure).score(found)


def check_query(vector: NDArray[Any], descriptor: Descriptor, measure: str) -> Floats:
    """Return a query (d,) as float64.

    Raises UnknownMeasure, MeasureNotApplicable (a mass measure on vectors that may be negative), NotFinite,
    DimensionMismatch, InvalidArgument (a negative component under a mass measure) and ZeroVector (under a measure that
    divides by the query's sum or norm; a query that is 0 in float32 is 0).
    """
    known = find_measure(measure)
    mass = known.kind is Kind.MASS
    if mass and not descriptor.non_negative:
        raise MeasureNotApplicable(measure, descriptor.name, [m.name for m in MEASURES.values() if m.kind is Kind.ANY])
    query = _checked(vector, descriptor, non_negative=mass)
    if (mass or known.disjoint is not None) and not query.astype(np.float32).any():
        raise ZeroVector(measure)
    return query


def check_vector(vector: NDArray[Any], descriptor: Descriptor) -> NDArray[np.float32]:
    """Return a document's vector (d,) as contiguous float32.

    Raises DimensionMismatch, NotFinite, and InvalidArgument for a negative component where the descriptor has none.
    """
    checked = _checked(vector, descriptor, non_negative=descriptor.non_negative)
    return np.ascontiguousarray(checked, dtype=np.float32)


def _checked(vector: NDArray[Any], descriptor: Descriptor, *, non_negative: bool) -> Floats:
    wide = np.asarray(vector, dtype=np.float64)
    if wide.ndim != 1:
        raise InvalidArgument(f"a vector for {descriptor.name} is one row of numbers, this has the shape {wide.shape}")
    if len(wide) != descriptor.dim:
        raise DimensionMismatch(descriptor.name, expected=descriptor.dim, got=len(wide))
    if not (np.abs(wide) <= MAX_COMPONENT).all():
        raise NotFinite(descriptor.name)
    if non_negative and wide.min() < 0:
        raise InvalidArgument(
            f"{descriptor.name} has no negative components, the vector has {wide.min():g}; cut it at 0, or declare a "
            "descriptor that may be negative"
        )
    return wide


def _block_values(measure: Measure, q: Floats, x: Floats, *, normalise: bool) -> Floats:
    if measure.kind is Kind.MASS and not normalise:
        return measure.formula(q, x)
    if measure.kind is Kind.MASS:
        sums = _summed(x)
        empty = sums == 0
        x = x / np.where(empty, 1.0, sums)[:, None]
    else:
        empty = np.logical_not(x.any(axis=1))
    if measure.disjoint is None or not empty.any():
        return measure.formula(q, x)
    x = np.where(empty[:, None], 1.0, x)  # any vector for which the formula is defined
    return np.where(empty, measure.disjoint, measure.formula(q, x))


def _summed(terms: Floats) -> Floats:
    sums: Floats = terms.sum(axis=1)
    return sums


def euclidean(q: Floats, x: Floats) -> Floats:
    """√Σ(q−x)²."""
    return np.sqrt(_summed((q - x) ** 2))


def manhattan(q: Floats, x: Floats) -> Floats:
    """Σ|q−x|."""
    return _summed(np.abs(q - x))


def cosine(q: Floats, x: Floats) -> Floats:
    """Σqx / (‖q‖‖x‖), exactly 1 for the query itself: √(s·s) is s in IEEE arithmetic, √s·√s is not."""
    return np.clip(_summed(q * x) / np.sqrt((q * q).sum() * _summed(x * x)), -1.0, 1.0)


def angular(q: Floats, x: Floats) -> Floats:
    """arccos(cosine)/π, as 2 atan2(‖q̂−x̂‖, ‖q̂+x̂‖)/π, which is exact at 0 too where arccos is not.

    W. Kahan, How Futile are Mindless Assessments of Roundoff in Floating-Point Computation, 2006, section 12.
    """
    q = q / np.sqrt((q * q).sum())
    x = x / np.sqrt(_summed(x * x))[:, None]
    return 2 * np.arctan2(np.sqrt(_summed((q - x) ** 2)), np.sqrt(_summed((q + x) ** 2))) / np.pi


def chi2(q: Floats, x: Floats) -> Floats:
    """½ Σ (q−x)²/(q+x), 0/0 = 0.

    J. Puzicha, T. Hofmann, J. Buhmann, Non-parametric Similarity Measures for Unsupervised Texture Segmentation and
    Image Retrieval, CVPR 1997.
    """
    return _summed(chi2_terms(q, x))


def chi2_terms(q: Floats, x: Floats) -> Floats:
    """½ (q−x)²/(q+x)."""
    return 0.5 * (q - x) ** 2 / np.maximum(q + x, SMALLEST)


def kl(q: Floats, x: Floats) -> Floats:
    """Σ (q+ε) ln((q+ε)/(x+ε)), ε = 1e-4. S. Kullback, R. Leibler, On Information and Sufficiency, 1951."""
    return _summed(kl_terms(q, x))


def kl_terms(q: Floats, x: Floats) -> Floats:
    """(q+ε) ln((q+ε)/(x+ε)), below 0 where the document has more."""
    q, x = q + EPSILON, x + EPSILON
    return q * np.log(q / x)


def bhattacharyya(q: Floats, x: Floats) -> Floats:
    """−ln max(Σ√(qx), 1e-10).

    A. Bhattacharyya, On a Measure of Divergence between two Statistical Populations defined by their Probability
    Distributions, 1943.
    """
    return -np.log(np.maximum(_summed(bhattacharyya_terms(q, x)), LEAST_OVERLAP))


def bhattacharyya_terms(q: Floats, x: Floats) -> Floats:
    """√(qx)."""
    return np.sqrt(q * x)


def intersection(q: Floats, x: Floats) -> Floats:
    """Σ min(q, x). M. Swain, D. Ballard, Color Indexing, IJCV 1991."""
    return _summed(intersection_terms(q, x))


def intersection_terms(q: Floats, x: Floats) -> Floats:
    """min(q, x)."""
    return np.minimum(q, x)


def jensen_shannon(q: Floats, x: Floats) -> Floats:
    """½Σ q ln(q/m) + ½Σ x ln(x/m), m = (q+x)/2, 0·ln 0 = 0.

    J. Lin, Divergence Measures Based on the Shannon Entropy, IEEE Transactions on Information Theory, 1991.
    """
    return _summed(jensen_shannon_terms(q, x))


def jensen_shannon_terms(q: Floats, x: Floats) -> Floats:
    """½ q ln(q/m) + ½ x ln(x/m), never below 0."""
    mean = np.maximum((q + x) / 2, SMALLEST)
    return 0.5 * (_entropy(q, mean) + _entropy(x, mean))


def _entropy(p: Floats, mean: Floats) -> Floats:
    return p * np.log(np.maximum(p / mean, SMALLEST))


def reciprocal(found: Floats) -> Floats:
    """1/(1+v); 1−v below 0, where kl of vectors as stored can be."""
    return np.where(found < 0, 1.0 - found, 1.0 / (1.0 + np.maximum(found, 0.0)))


def halved(found: Floats) -> Floats:
    """(1+v)/2."""
    return (1.0 + found) / 2.0


def complement(found: Floats) -> Floats:
    """1−v."""
    return 1.0 - found


def exponential(found: Floats) -> Floats:
    """exp(−v)."""
    return np.exp(-found)


def itself(found: Floats) -> Floats:
    """V."""
    return found


for _measure in (
    Measure("euclidean", Better.LOW, euclidean, kernels.euclidean, reciprocal),
    Measure("manhattan", Better.LOW, manhattan, kernels.manhattan, reciprocal),
    Measure("cosine", Better.HIGH, cosine, kernels.cosine, halved, disjoint=0.0),
    Measure("angular", Better.LOW, angular, kernels.angular, complement, disjoint=0.5),
    Measure("chi2", Better.LOW, chi2, kernels.chi2, reciprocal, disjoint=1.0, terms=chi2_terms),
    Measure("kl", Better.LOW, kl, kernels.kl, reciprocal, clamped=True, logs=True, float64=False, terms=kl_terms),
    Measure(
        "bhattacharyya",
        Better.LOW,
        bhattacharyya,
        kernels.bhattacharyya,
        exponential,
        disjoint=-math.log(LEAST_OVERLAP),
        clamped=True,
        terms=bhattacharyya_terms,
    ),
    Measure(
        "intersection", Better.HIGH, intersection, kernels.intersection, itself, disjoint=0.0, terms=intersection_terms
    ),
    Measure(
        "jensen_shannon",
        Better.LOW,
        jensen_shannon,
        kernels.jensen_shannon,
        reciprocal,
        disjoint=math.log(2),
        clamped=True,
        float64=False,
        terms=jensen_shannon_terms,
    ),
):
    register_measure(_measure)
