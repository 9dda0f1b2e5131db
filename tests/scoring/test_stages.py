"""The grammar of stages, over every registry that it reads."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixkin_proto.errors import InvalidPlan
from pixkin_scoring.plan import CANDIDATE_RULE, EXPANSION_RULE, FUSION_RULE, RERANKER_RULE
from pixkin_scoring.stages import Accepts, Option, Stage, StageRule, Value

RULES = (CANDIDATE_RULE, EXPANSION_RULE, FUSION_RULE, RERANKER_RULE)
STAGES = [(rule, name) for rule in RULES for name in rule.allowed]
OPTIONS = [(rule, name, key) for rule, name in STAGES for key in rule.allowed[name].options]
NUMBERS = [(rule, name, key) for rule, name, key in OPTIONS if rule.allowed[name].options[key].type is not str]

every_stage = pytest.mark.parametrize(("rule", "name"), STAGES, ids=[f"{r.kind}-{n}" for r, n in STAGES])
every_number = pytest.mark.parametrize(
    ("rule", "name", "key"), NUMBERS, ids=[f"{rule.kind}-{name}-{key}" for rule, name, key in NUMBERS]
)
BARE = StageRule(
    "stage", {"s": Accepts({"n": Option(int, 3), "a": Option(float), "w": Option(str, choices=("up", "down"))})}
)


def needed(rule: StageRule, name: str) -> str:
    """Return a stage with what it cannot be without."""
    given = [f"{key}=x" for key, option in rule.allowed[name].options.items() if option.required]
    return f"{name}:{','.join(given)}"


def extended(rule: StageRule, name: str, part: str) -> str:
    return f"{needed(rule, name)},{part}"


@every_stage
def test_a_stage_states_every_default_and_is_read_as_it_is_written(rule: StageRule, name: str) -> None:
    stage = rule.parse(needed(rule, name))
    options = rule.allowed[name].options
    stated = [key for key, option in options.items() if option.required or option.default is not None]
    assert list(stage.options) == stated
    assert rule.parse(str(stage)) == stage


@every_number
def test_the_limits_of_an_option_are_allowed_and_what_lies_beyond_is_not(rule: StageRule, name: str, key: str) -> None:
    option = rule.allowed[name].options[key]
    step = 1 if option.type is int else max(abs(option.most) * 1e-9, 1e-9)
    for limit, beyond in ((option.least, option.least - step), (option.most, option.most + step)):
        kind = int if option.type is int else float
        assert rule.parse(extended(rule, name, f"{key}={kind(limit)!r}")).options[key] == limit
        with pytest.raises(InvalidPlan, match=rf"{name}: {key} is a .*number from"):
            rule.parse(extended(rule, name, f"{key}={kind(beyond)!r}"))


@every_number
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "", "many", "1_0", "0x5", "5;6", "None"])
def test_what_is_no_finite_number_is_refused_by_stage_and_option(
    rule: StageRule, name: str, key: str, value: str
) -> None:
    with pytest.raises(InvalidPlan, match=rf"{rule.kind} {name}: {key} is a") as refused:
        rule.parse(extended(rule, name, f"{key}={value}"))
    assert repr(value) in refused.value.message


@every_stage
@pytest.mark.parametrize("part", ["none=1", "top", "n", "k=", "=5", "depth:5", " n=5"])
def test_an_option_that_there_is_not_or_without_a_value_is_refused(rule: StageRule, name: str, part: str) -> None:
    with pytest.raises(InvalidPlan, match=rf"{rule.kind} {name}"):
        rule.parse(extended(rule, name, part))


@pytest.mark.parametrize("rule", RULES, ids=[rule.kind for rule in RULES])
@pytest.mark.parametrize("text", ["nothing", "", ":n=5", "Average", "average n=5", "nothing:n=5"])
def test_a_stage_that_there_is_not_is_refused_with_those_that_there_are(rule: StageRule, text: str) -> None:
    with pytest.raises(InvalidPlan, match=f"there is no {rule.kind}") as refused:
        rule.parse(text)
    assert all(name in refused.value.message for name in rule.allowed)


def test_a_required_option_is_asked_for() -> None:
    rule = StageRule("stage", {"s": Accepts({"name": Option(str, required=True)})})
    with pytest.raises(InvalidPlan, match=r"stage s needs name, as in s:name="):
        rule.parse("s")
    assert rule.parse("s:name=x").options == {"name": "x"}


def test_an_option_without_a_default_is_left_out_and_others_are_filled_in() -> None:
    assert BARE.parse("s") == Stage("s", {"n": 3})
    assert str(BARE.parse(" s: ")) == "s:n=3"
    assert str(BARE.parse("s:w=up,a=2")) == "s:n=3,a=2.0,w=up"
    with pytest.raises(InvalidPlan, match="stage s: w is one of up, down, not 'left'"):
        BARE.parse("s:w=left")


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["up", "down"]))
def test_any_numbers_survive_writing_and_reading(whole: int, number: float, word: str) -> None:
    options: dict[str, Value] = {"n": whole, "a": number, "w": word}
    found = BARE.parse(str(Stage("s", options)))
    assert found.options == options
    assert math.copysign(1, float(found.options["a"])) == math.copysign(1, number)
