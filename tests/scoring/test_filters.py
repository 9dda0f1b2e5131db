from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixkin_proto.errors import InvalidFilter
from pixkin_scoring.filters import Condition, check_key, number, parse_filter

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def test_repeated_keys_are_alternatives_and_different_keys_are_conditions() -> None:
    assert parse_filter(["label=cat", "place=Rome", "label=dog"]) == (
        Condition("label", ("cat", "dog")),
        Condition("place", ("Rome",)),
    )


def test_no_conditions_are_an_empty_filter() -> None:
    assert parse_filter([]) == ()


def test_only_the_first_equals_sign_separates() -> None:
    assert parse_filter(["formula=a=b", "empty="]) == (Condition("formula", ("a=b",)), Condition("empty", ("",)))


@given(NUMBERS, NUMBERS)
def test_a_range_is_read_with_every_digit_of_its_ends(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    assert parse_filter([f"x={low!r}..{high!r}"]) == (Condition("x", (), ((low, high),)),)


def test_a_range_may_be_open_on_one_side() -> None:
    [condition] = parse_filter(["year=2020..", "year=..1999", "year=2005"])
    assert condition.ranges == ((2020, math.inf), (-math.inf, 1999))
    assert condition.texts == ("2005",)
    assert condition.numbers == (*condition.ranges, (2005, 2005))


@pytest.mark.parametrize("text", ["..", "a..b", "1..b", "1..2..3", "nan..1", "..inf", "1.2"])
def test_what_only_looks_like_a_range_is_a_text(text: str) -> None:
    assert parse_filter([f"x={text}"]) == (Condition("x", (text,)),)


def test_a_label_is_never_a_range() -> None:
    assert parse_filter(["label=1..2"]) == (Condition("label", ("1..2",)),)


def test_a_range_from_high_to_low_is_refused() -> None:
    with pytest.raises(InvalidFilter, match=r"2\.\.1 is empty"):
        parse_filter(["x=2..1"])


@pytest.mark.parametrize("text", ["", "cat", "label", "x>1"])
def test_a_condition_without_an_equals_sign_is_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(InvalidFilter, match="write key=value"):
        parse_filter([text])


@pytest.mark.parametrize("key", ["", "-x", ".x", "a b", "é", "x\n", "x" * 65])
def test_a_key_that_breaks_the_rule_is_refused(key: str) -> None:
    with pytest.raises(InvalidFilter, match="attribute name"):
        parse_filter([f"{key}=1"])


@pytest.mark.parametrize("key", ["x", "_x", "exif.Model-2", "7", "x" * 64])
def test_a_key_that_keeps_the_rule_is_returned(key: str) -> None:
    assert check_key(key) == key


def test_only_finite_numbers_are_numbers() -> None:
    assert [number(text) for text in ("1", "-2.5e3", "nan", "inf", "-inf", "1e999", "cat", "")] == [
        1,
        -2500,
        *[None] * 6,
    ]


@pytest.mark.parametrize(
    "text", ["0", "-5", "2019", "1.10", "-0.25", "1e+06", "1.5e3", "2.5E-7", f"{2**53}", f"-{2**53}"]
)
def test_a_number_as_programs_write_it_is_a_number(text: str) -> None:
    assert number(text) == float(text)


@pytest.mark.parametrize(
    "text",
    ["007", "-01", "12e34", "1e5", "1_000", " 5", "5 ", "+49", "٣", "1.", "nan", "inf", "1e+999", "9007199254740993",
     str(2**63 - 1), "-9007199254740993", "9007199254740993.0", "1" * 400],
)  # fmt: skip
def test_a_code_that_would_lose_digits_as_a_number_is_a_text(text: str) -> None:
    assert number(text) is None


def test_a_range_whose_end_is_no_number_of_64_bits_is_refused() -> None:
    with pytest.raises(InvalidFilter, match=r"9007199254740993 in the range .* is beyond 2\*\*53"):
        parse_filter(["n=9007199254740993.."])
