from __future__ import annotations

import pytest
from pixkin_proto.errors import AmbiguousName, InvalidId, InvalidName, UnknownDescriptor
from pixkin_proto.names import check_id, check_name, resolve_descriptor


@pytest.mark.parametrize("name", ["a", "0", "efficientnet-lite0", "my_photos", "x" * 64])
def test_good_names_pass(name: str) -> None:
    assert check_name("collection", name) == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "A", "a.b", "a b", "a/b", "../a", "é", "x" * 65, "a\n", "a\0"])
def test_bad_names_are_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InvalidName, match=r"collection.*1 to 64"):
        check_name("collection", name)


@pytest.mark.parametrize("item", ["a", "Ünïcode/ 🐈.jpg", "../kept as it is", "x" * 512])
def test_good_ids_pass(item: str) -> None:
    assert check_id(item) == item


@pytest.mark.parametrize("item", ["", "x" * 513, "é" * 257, "a\nb", "a\0b", "a\x7f", "\udcff"])
def test_bad_ids_are_refused(item: str) -> None:
    with pytest.raises(InvalidId):
        check_id(item)


def test_a_descriptor_is_named_in_full_or_by_a_unique_short_name() -> None:
    known = ["a.gap", "b.gap", "b.histogram", "plain"]
    assert resolve_descriptor("a.gap", known) == "a.gap"
    assert resolve_descriptor("histogram", known) == "b.histogram"
    assert resolve_descriptor("plain", known) == "plain"
    assert resolve_descriptor("", ["only.one"]) == "only.one"
    with pytest.raises(AmbiguousName, match=r"choose one of a\.gap, b\.gap$"):
        resolve_descriptor("gap", known)
    with pytest.raises(AmbiguousName, match="name the descriptor to use"):
        resolve_descriptor("", known)
    with pytest.raises(UnknownDescriptor, match="plain"):
        resolve_descriptor("none", known)
