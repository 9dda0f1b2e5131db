"""Numba kernels: one measure between a query and every document.

A kernel is called as `kernel(query, documents, totals, disjoint, out)`:

- query: (d,) float64, for the mass measures already divided by its sum if the documents are;
- documents: (n, d) float32, C-contiguous, as stored; for kl what `fill_logs` wrote;
- totals: (n,) float64, what a document is divided by: its sum (mass measures), its norm (cosine, angular), ones where
  the vectors are compared as stored; euclidean, manhattan and kl do not read it;
- disjoint: the value of a document whose total is 0;
- out: (n,) float32 or float64. Its type is the type of the arithmetic.

In float32 a value is within 1e-6·max(|value|, 1) of the formula up to 4,096 dimensions; where vectors are compared as
stored, kl and jensen_shannon lose 1e-6 of the query's sum. Inputs are finite, checked by the caller. Formulas and
sources stand with `measures`.

A row is a function of its own because LLVM then vectorises it reliably. What is done to the query is too, because numba
makes a parallel region of every array expression in a parallel function, and each waits for all threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from pixkin_proto.memory import check_address_space

Floats32 = NDArray[np.float32]
Floats64 = NDArray[np.float64]
Out = NDArray[Any]
"""float32 or float64: numba compiles a kernel for either."""
Number = Any
"""The same for one number."""

FASTMATH = {"reassoc", "contract"}
"""`reassoc` lets LLVM vectorise a sum, 4-6 times faster; flags that assume NaN and infinity away delete guards."""
EPSILON = 1e-4
"""kl's pseudo-count: with 1e-10 one empty bin outweighs everything else."""
LEAST_OVERLAP = 1e-10
"""Bhattacharyya's floor, which keeps the value of a disjoint pair finite."""
TINY = 1e-30
"""Beside a denominator it makes 0/0 count 0; an `if` in the loop stops the vectoriser (4 times slower)."""
LARGEST_SCALE = 1e38
"""Reciprocals are cut here: beyond, float32 overflows and infinity times an empty bin is no number."""

LOG_POLYNOMIAL = tuple(
    np.float32(coefficient)
    for coefficient in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
HALF, ONE = np.float32(0.5), np.float32(1)  # a literal is float64 and would widen the arithmetic
ROOT_HALF = np.int32(0x3F3504F3)  # the bits of √½
MANTISSA_BITS = np.int32(23)


def _compiled(function: Callable[..., Any], **options: bool) -> Any:
    """Have numba compile a function at its first call and keep the machine code, if it finds a place to keep it.

    Where neither the package's folder nor the user's cache can be written, as in a read-only container, every process
    compiles anew, unless NUMBA_CACHE_DIR names a place. Raises OutOfMemory where compiling would end the process.
    """
    check_address_space("numba")
    try:
        return njit(cache=True, fastmath=FASTMATH, error_model="numpy", **options)(function)
    except RuntimeError:
        return njit(fastmath=FASTMATH, error_model="numpy", **options)(function)


row = _compiled
kernel = partial(_compiled, parallel=True)


@kernel
def euclidean(query: Floats64, documents: Floats32, _totals: Floats64, _disjoint: float, out: Out) -> None:
    """Write √Σ(q−x)²."""
    q = _typed(query, 0.0, out)
    for i in prange(len(out)):
        out[i] = math.sqrt(_squares(q, documents[i]))


@row
def _squares(q: Out, x: Floats32) -> Number:
    total = q.dtype.type(0)
    for j in range(len(q)):
        total += (q[j] - x[j]) * (q[j] - x[j])
    return total


@kernel
def manhattan(query: Floats64, documents: Floats32, _totals: Floats64, _disjoint: float, out: Out) -> None:
    """Write Σ|q−x|."""
    q = _typed(query, 0.0, out)
    for i in prange(len(out)):
        out[i] = _differences(q, documents[i])


@row
def _differences(q: Out, x: Floats32) -> Number:
    total = q.dtype.type(0)
    for j in range(len(q)):
        total += abs(q[j] - x[j])
    return total


@kernel
def cosine(query: Floats64, documents: Floats32, totals: Floats64, disjoint: float, out: Out) -> None:
    """Write Σqx / (‖q‖‖x‖)."""
    q = _unit(query, out)
    for i in prange(len(out)):
        if totals[i] == 0:
            out[i] = disjoint
        else:
            out[i] = min(max(_products(q, documents[i], out.dtype.type(_reciprocal(totals[i]))), -1.0), 1.0)


@row
def _products(q: Out, x: Floats32, scale: Number) -> Number:
    total = q.dtype.type(0)
    for j in range(len(q)):
        total += q[j] * (x[j] * scale)
    return total


@kernel
def angular(query: Floats64, documents: Floats32, totals: Floats64, disjoint: float, out: Out) -> None:
    """Write arccos(cosine)/π as 2 atan2(‖q̂−x̂‖, ‖q̂+x̂‖)/π: arccos of a float32 near 1 is wrong by 4e-4."""
    q = _unit(query, out)
    for i in prange(len(out)):
        if totals[i] == 0:
            out[i] = disjoint
        else:
            apart, together = _apart_and_together(q, documents[i], out.dtype.type(_reciprocal(totals[i])))
            out[i] = 2 * math.atan2(math.sqrt(apart), math.sqrt(together)) / math.pi


@row
def _apart_and_together(q: Out, x: Floats32, scale: Number) -> tuple[Number, Number]:
    apart = together = q.dtype.type(0)
    for j in range(len(q)):
        b = x[j] * scale
        apart += (q[j] - b) * (q[j] - b)
        together += (q[j] + b) * (q[j] + b)
    return apart, together


@kernel
def chi2(query: Floats64, documents: Floats32, totals: Floats64, disjoint: float, out: Out) -> None:
    """Write ½ Σ (q−x)²/(q+x), 0/0 = 0.

    The identity (Σq+Σx)/2 − 2Σqx/(q+x) costs the same and is useless on near-duplicates.
    """
    q = _typed(query, 0.0, out)
    positive = _typed(query, TINY, out)
    half = (len(out) + 1) // 2
    for i in prange(half):
        k = _partner(i, half, len(out))
        scale, other = out.dtype.type(_reciprocal(totals[i])), out.dtype.type(_reciprocal(totals[k]))
        first, second = _chi2(q, positive, documents[i], documents[k], scale, other)
        out[i] = 0.5 * first if totals[i] > 0 else disjoint
        out[k] = 0.5 * second if totals[k] > 0 else disjoint


@row
def _chi2(q: Out, positive: Out, x: Floats32, y: Floats32, scale: Number, other: Number) -> tuple[Number, Number]:
    total = rest = q.dtype.type(0)
    for j in range(len(q)):
        b, c = x[j] * scale, y[j] * other
        total += (q[j] - b) * (q[j] - b) / (positive[j] + b)
        rest += (q[j] - c) * (q[j] - c) / (positive[j] + c)
    return total, rest


@kernel
def kl(query: Floats64, logs: Floats32, _totals: Floats64, _disjoint: float, out: Out) -> None:
    """Write Σ (q+ε)(ln(q+ε) − l), where l is ln(x+ε) as `fill_logs` wrote it.

    Logarithms in the loop are 5 times slower.
    """
    p = _typed(query, EPSILON, out)
    own = _logs(query, out)
    for i in prange(len(out)):
        out[i] = _kl(p, own, logs[i])


@row
def _kl(p: Out, own: Out, logs: Floats32) -> Number:
    total = p.dtype.type(0)
    for j in range(len(p)):
        total += p[j] * (own[j] - logs[j])
    return total


@kernel
def fill_logs(vectors: Floats32, sums: Floats64, normalise: bool, out: Floats32) -> None:  # noqa: FBT001 (numba: no keywords)
    """Write ln(x/Σx + ε), or ln(x + ε) unless `normalise`; a zero vector has ln ε.

    vectors: (n, d) float32, non-negative · sums: (n,) float64 · out: (n, d) float32.
    """
    for i in prange(len(vectors)):
        total = sums[i] if normalise and sums[i] > 0 else 1.0
        for j in range(vectors.shape[1]):
            out[i, j] = math.log(vectors[i, j] / total + EPSILON)


@kernel
def bhattacharyya(query: Floats64, documents: Floats32, totals: Floats64, _disjoint: float, out: Out) -> None:
    """Write −ln max(Σ√q√x, 1e-10); rounding may leave a value just below 0."""
    roots = _square_roots(query, out)
    half = (len(out) + 1) // 2
    for i in prange(half):
        k = _partner(i, half, len(out))
        first, second = _overlaps(roots, documents[i], documents[k])
        out[i] = -math.log(max(first * math.sqrt(_reciprocal(totals[i])), LEAST_OVERLAP))
        out[k] = -math.log(max(second * math.sqrt(_reciprocal(totals[k])), LEAST_OVERLAP))


@row
def _overlaps(roots: Out, x: Floats32, y: Floats32) -> tuple[Number, Number]:
    total = rest = roots.dtype.type(0)
    for j in range(len(roots)):
        total += roots[j] * math.sqrt(roots.dtype.type(x[j]))
        rest += roots[j] * math.sqrt(roots.dtype.type(y[j]))
    return total, rest


@kernel
def intersection(query: Floats64, documents: Floats32, totals: Floats64, disjoint: float, out: Out) -> None:
    """Write Σ min(q, x)."""
    q = _typed(query, 0.0, out)
    for i in prange(len(out)):
        if totals[i] == 0:
            out[i] = disjoint
        else:
            out[i] = _smaller(q, documents[i], out.dtype.type(_reciprocal(totals[i])))


@row
def _smaller(q: Out, x: Floats32, scale: Number) -> Number:
    total = q.dtype.type(0)
    for j in range(len(q)):
        total += min(q[j], x[j] * scale)
    return total


@kernel
def jensen_shannon(query: Floats64, documents: Floats32, totals: Floats64, disjoint: float, out: Floats32) -> None:
    """Write ½Σ q ln(q/m) + ½Σ x ln(x/m), m=(q+x)/2, in float32 only; rounding may leave a value just below 0."""
    q = _typed(query, 0.0, out)
    positive = _typed(query, TINY, out)
    for i in prange(len(out)):
        if totals[i] == 0:
            out[i] = disjoint
        else:
            out[i] = 0.5 * _entropies(q, positive, documents[i], np.float32(_reciprocal(totals[i])))


@row
def _entropies(q: Floats32, positive: Floats32, x: Floats32, scale: Number) -> Number:
    total = q.dtype.type(0)
    for j in range(len(q)):
        b = x[j] * scale
        both = positive[j] + b
        total += q[j] * _log((q[j] + q[j]) / both) + b * _log((b + b) / both)
    return total


@row
def _log(ratio: Number) -> Number:
    """Return ln in float32, to 1e-7 of max(|ln|, 1), and -88 for 0.

    A call of the C library stops the vectoriser (6 times slower). Exponent and mantissa are taken from the bits; the
    polynomial is that of logf in Cephes (S. L. Moshier).
    """
    bits = np.float32(ratio).view(np.int32)
    exponent = np.int32((bits - ROOT_HALF) >> MANTISSA_BITS)
    power = np.float32(exponent)
    f = np.int32(bits - np.int32(exponent << MANTISSA_BITS)).view(np.float32) - ONE
    p = LOG_POLYNOMIAL[0]
    for coefficient in LOG_POLYNOMIAL[1:]:
        p = p * f + coefficient
    return power * LN2_HIGH + (f + (p * f * f * f + power * LN2_LOW - HALF * f * f))


@row
def _partner(i: int, half: int, count: int) -> Number:
    """Return the row that is read together with row i, from the other half of the documents.

    Slow arithmetic on one stream of rows leaves the memory idle; two streams made chi2 1.3 times faster at 200 MB.
    """
    here = np.int64(i)  # prange counts in uint64, whose sum with an int64 is a float64
    return here + half if here + half < count else here


@row
def _reciprocal(total: float) -> Number:
    return min(1.0 / total, LARGEST_SCALE)


@row
def _typed(query: Floats64, shift: float, out: Out) -> Out:
    return (query + shift).astype(out.dtype)


@row
def _unit(query: Floats64, out: Out) -> Out:
    return (query / math.sqrt((query * query).sum())).astype(out.dtype)


@row
def _square_roots(query: Floats64, out: Out) -> Out:
    return np.sqrt(query).astype(out.dtype)


@row
def _logs(query: Floats64, out: Out) -> Out:
    return np.log(query + EPSILON).astype(out.dtype)
