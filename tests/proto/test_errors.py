from __future__ import annotations

import inspect

import pytest
from pixkin_proto import errors
from pixkin_proto.errors import LEAVES, DimensionMismatch, Internal, PixkinError


def test_every_leaf_has_a_reason_of_its_own() -> None:
    leaves = [
        cls
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, PixkinError) and not any(each.__module__ == errors.__name__ for each in cls.__subclasses__())
    ]
    assert {leaf.reason: leaf for leaf in leaves} == LEAVES
    assert len(leaves) == len(LEAVES)


def test_the_tree_at_the_top_of_the_module_names_every_class() -> None:
    tree = inspect.getdoc(errors) or ""
    for leaf in LEAVES.values():
        assert leaf.__name__ in tree


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
def test_every_error_is_rebuilt_with_its_message_and_data(leaf: type[PixkinError]) -> None:
    rebuilt = PixkinError.rebuild(leaf.reason, "what came, what to do", {"expected": 3})
    assert type(rebuilt) is leaf
    assert str(rebuilt) == rebuilt.message == "what came, what to do"
    assert rebuilt.data == {"expected": 3}


def test_an_unknown_reason_becomes_internal() -> None:
    assert type(PixkinError.rebuild("FROM_THE_FUTURE", "m", {})) is Internal


def test_errors_carry_data_and_say_what_to_do() -> None:
    error = DimensionMismatch("hsv.histogram", expected=405, got=404)
    assert (error.expected, error.got) == (405, 404)
    assert "405" in error.message
    assert "404" in error.message
    assert "extractor" in error.message


def test_long_lists_of_names_are_cut() -> None:
    assert errors.listed([]) == "none"
    assert errors.listed(["b", "a"]) == "a, b"
    assert errors.listed(str(i) for i in range(100)).endswith("and 88 more")
