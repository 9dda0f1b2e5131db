"""Hits are parallel arrays that read as a sequence of Hit."""

from __future__ import annotations

import numpy as np
import pytest
from pixkin_scoring.results import Hit, Hits

LABELS = {"b": frozenset({"z", "y"}), "nobody": frozenset({"x"})}


def hits(ids: str = "abcd", *, offset: int = 0) -> Hits:
    """Hits with scores 1, 1/2, 1/3, … and values 0, 1, 2, …; b has labels."""
    at = np.arange(float(len(ids)))
    return Hits(list(ids), 1 / (1 + at), at, LABELS, offset)


def test_a_hit_has_its_rank_and_its_own_place_of_every_array() -> None:
    assert hits()[1] == Hit(rank=2, id="b", score=0.5, value=1.0, labels=("y", "z"))
    assert hits()[2].labels == ()
    assert [type(field) for field in (hits()[0].score, hits()[0].value)] == [float, float]


def test_the_first_rank_follows_the_offset() -> None:
    assert [hit.rank for hit in hits(offset=20)] == [21, 22, 23, 24]
    assert [hit.id for hit in hits(offset=20)] == list("abcd")


def test_counting_from_the_end_and_beyond_it_is_as_with_a_tuple() -> None:
    assert hits()[-1] == hits()[3]
    assert hits(offset=5)[-1].rank == 9
    for beyond in (4, -5):
        with pytest.raises(IndexError):
            hits()[beyond]


@pytest.mark.parametrize("part", [slice(1, 3), slice(None), slice(None, None, -1), slice(-2, None), slice(9, 12)])
def test_a_slice_is_the_same_slice_of_all_hits(part: slice) -> None:
    assert hits(offset=3)[part] == tuple(hits(offset=3))[part]


def test_hits_are_equal_to_hits_and_tuples_of_the_same_content() -> None:
    assert hits() == hits()
    assert hits() == tuple(hits())
    assert hash(hits()) == hash(hits())
    others = (hits("abce"), hits("abc"), hits(offset=1), Hits(list("abcd"), hits().scores, hits().values), Hits())
    for other in others:
        assert hits() != other
    assert hits() != list(hits())


def test_hits_are_read_as_any_sequence() -> None:
    assert len(hits()) == 4
    assert hits()[1] in hits()
    assert [hit.id for hit in reversed(hits())] == list("dcba")
    assert not Hits()
    assert tuple(Hits()) == ()
