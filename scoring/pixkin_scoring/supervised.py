"""Whitening learnt of labels: what differs between items of one label is evened out before the rest is looked at.

Mikolajczyk and Matas, Improving Descriptors for Fast Tree Matching by Optimal Linear Projection, ICCV 2007; Radenović,
Tolias and Chum, Fine-tuning CNN Image Retrieval with No Human Annotation, PAMI 2019.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pixkin_proto.descriptors import Descriptor
from pixkin_proto.errors import InvalidArgument
from pixkin_proto.whitening import Whitening, unit_length

from pixkin_scoring.fitting import RANK, Fit, principal

Floats = NDArray[np.float64]
Blocks = Iterable[tuple[list[str], NDArray[np.float32]]]


@dataclass(frozen=True)
class Scatter:
    """Mean (d,) and covariance (d, d) of all vectors, and covariance (d, d) within labels."""

    mean: Floats
    between: Floats
    within: Floats


def fit_supervised(blocks: Blocks, labels: Mapping[str, Iterable[str]], descriptor: Descriptor, fit: Fit) -> Whitening:
    """Learn a whitening of blocks of (ids, vectors (n, d) float32) and the labels of items by id.

    With W the covariance within labels (of pairs that share one, each label weighted by its items) and C that of all
    vectors, it projects on the first `dims` eigenvectors of W^-p C W^-p after W^-p, where p is `power`; `shrink` is of
    W. The file holds this turned by an orthogonal matrix, which changes no cosine: its own first components mean
    nothing. Raises InvalidArgument when no two items share a label, and when W is singular.
    """
    found = scatter(blocks, labels, descriptor.dim, normalise=fit.normalise == "l2")
    variances, vectors = principal(found.within)
    shrunk = (1 - fit.shrink) * variances + fit.shrink * float(variances.mean())
    if not shrunk[-1] > RANK * shrunk[0]:
        raise InvalidArgument(
            f"items that share a label differ in {np.count_nonzero(shrunk > RANK * shrunk[0]):,} of "
            f"{descriptor.dim:,} directions; label more pictures, or regularise with --shrink 0.1"
        )
    dims = descriptor.dim if fit.dims is None else fit.dims
    if dims > descriptor.dim:
        raise InvalidArgument(f"{descriptor.name} has {descriptor.dim:,} dimensions, not {dims:,}; lower --dims")
    evened = (vectors.T * shrunk**-fit.power) @ vectors
    _, directions = principal(evened @ found.between @ evened)
    _, sizes, components = np.linalg.svd(directions[:dims] @ evened, full_matrices=False)
    return Whitening(
        mean=found.mean,
        components=components[::-1],
        eigenvalues=sizes[::-1] ** -2.0,
        fingerprint=descriptor.fingerprint,
        descriptor=descriptor.short_name,
        normalise=fit.normalise,
    )


def scatter(blocks: Blocks, labels: Mapping[str, Iterable[str]], dim: int, *, normalise: bool) -> Scatter:
    """Return the covariances in one pass. Raises InvalidArgument when no two items share a label."""
    count, total, products, labelled = 0, np.zeros(dim), np.zeros((dim, dim)), np.zeros((dim, dim))
    sums: dict[str, Floats] = {}
    members: dict[str, int] = {}
    origin: Floats | None = None
    for ids, block in blocks:
        rows = unit_length(block.astype(np.float64)) if normalise else block.astype(np.float64)
        origin = rows.mean(axis=0) if origin is None else origin
        rows = rows - origin
        count += len(rows)
        total += rows.sum(axis=0)
        products += rows.T @ rows
        pairs = [(at, label) for at, item in enumerate(ids) for label in labels.get(item, ())]
        chosen = rows[[at for at, _ in pairs]]
        labelled += chosen.T @ chosen
        for (_, label), row in zip(pairs, chosen, strict=True):
            sums[label] = sums.get(label, 0) + row
            members[label] = members.get(label, 0) + 1
    free = sum(members.values()) - len(members)
    if origin is None or not free:
        raise InvalidArgument(
            "no two items share a label, of which a supervised whitening is learnt; add labels with "
            "--labels-from-folders or a manifest"
        )
    for label, together in sums.items():
        labelled -= np.outer(together, together) / members[label]
    offset = total / count
    between = (products - count * np.outer(offset, offset)) / (count - 1)
    return Scatter(origin + offset, between, labelled / free)
