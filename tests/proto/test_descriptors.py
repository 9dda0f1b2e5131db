from __future__ import annotations

import pytest
from pixkin_proto.descriptors import Descriptor, Norm, check_descriptor
from pixkin_proto.errors import InvalidArgument, InvalidName, UnknownMeasure

GOOD = Descriptor("hsv.histogram", 405, Norm.L1, non_negative=True, default_measure="chi2")


def test_a_good_declaration_passes() -> None:
    assert check_descriptor(GOOD) == GOOD
    assert (GOOD.extractor, GOOD.short_name) == ("hsv", "histogram")
    assert (Descriptor("plain", 1).extractor, Descriptor("plain", 1).short_name) == ("", "plain")


def test_a_collection_names_it_after_its_extractor() -> None:
    named = Descriptor("gap", 1280).of_extractor("lite0", "ab")
    assert (named.name, named.fingerprint) == ("lite0.gap", "ab")


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (Descriptor("A", 3), InvalidName),
        (Descriptor("a.b.c", 3), InvalidName),
        (Descriptor("a", 0), InvalidArgument),
        (Descriptor("a", 65_537), InvalidArgument),
        (Descriptor("a", 3, "l3"), InvalidArgument),  # type: ignore[arg-type]  # as it comes from a message
        (Descriptor("a", 3, default_measure="hamming"), UnknownMeasure),
        (Descriptor("a", 3, non_negative=False, default_measure="chi2"), InvalidArgument),
    ],
)
def test_a_bad_declaration_is_refused(bad: Descriptor, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_descriptor(bad)
