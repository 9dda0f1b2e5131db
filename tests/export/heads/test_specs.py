"""The words in which a descriptor is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixkin_export.heads.registry import HEADS, Takes
from pixkin_export.heads.specs import parse_spec
from pixkin_proto.descriptors import Norm
from pixkin_proto.errors import InvalidArgument, InvalidName, PixkinError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("gap", "gap"),
        ("gem:p=4", "gem"),
        ("mine=gem:p=4", "mine"),
        ("mine=fc1", "mine"),
        ("fc1", "fc1"),
        ("classifier.5", "classifier-5"),
        ("layer:layer=classifier.5", "classifier-5"),
        ("Blocks.0.Conv_1", "blocks-0-conv-1"),
        ("hog+gch", "hog-gch"),
        ("gap:layer=block5_conv3+fc1@2", "gap-fc1"),
        ("hog-sift=hog+bovw", "hog-sift"),
    ],
)
def test_a_descriptor_is_named_by_its_user_or_after_what_it_is(text: str, name: str) -> None:
    assert parse_spec(text).name == name


@pytest.mark.parametrize("name", ["Mine", "a b", "-a", "a" * 65, "é"])
def test_a_name_that_no_descriptor_may_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidName, match="is no name of a descriptor"):
        parse_spec(f"{name}=gap")


@pytest.mark.parametrize("name", sorted(HEADS))
def test_a_head_alone_has_its_own_layer_norm_and_settings(name: str) -> None:
    head, spec = HEADS[name], parse_spec(name)
    [part] = spec.parts
    assert (part.head, part.norm, part.weight, spec.norm) == (head, head.norm, 1.0, head.norm)
    assert part.layers == (() if head.takes is Takes.PIXELS else (head.layer,))
    assert part.settings == {key: parameter.default for key, parameter in head.parameters.items()}


def test_what_is_no_head_is_a_layer_whose_values_are_meant() -> None:
    [part] = parse_spec("block5_conv3").parts
    assert (part.head.name, part.layers) == ("layer", ("block5_conv3",))


def test_all_that_can_be_said_is_read() -> None:
    spec = parse_spec("both=gem:layer=features.29,p=2.5,norm=l1@0.25+cnn-hist:layer=a/b,bins=5@4")
    first, second = spec.parts
    assert (spec.name, spec.norm, spec.counted) == ("both", Norm.L2, True)
    assert (first.layers, first.settings, first.norm, first.weight) == (("features.29",), {"p": 2.5}, Norm.L1, 0.25)
    assert (second.layers, second.settings, second.norm, second.weight) == (("a", "b"), {"bins": 5}, Norm.L2, 4.0)


def test_parts_that_are_fused_are_normalised_by_l2_if_nothing_else_is_said() -> None:
    alone, fused = parse_spec("gch"), parse_spec("gch+hog+gch:norm=none")
    assert alone.norm is Norm.L1
    assert [part.norm for part in fused.parts] == [Norm.L2, Norm.L2, Norm.NONE]
    assert fused.norm is Norm.L2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no head; write HEAD"),
        ("gap+", "names no head"),
        ("+gap", "names no head"),
        (":p=3", "names no head"),
        ("gem:p", r"'p' in gem:p is no key=value"),
        ("gem:p=", r"'p=' in gem:p= is no key=value"),
        ("gem:q=3", r"gem has no setting q; it has layer, norm, p"),
        ("gem:p=0", r"gem has p=0; allowed is 0\.1 to 64"),
        ("gem:p=nan", r"gem has p=nan"),
        ("rmac:levels=1.5", r"rmac has levels=1\.5; allowed is 1 to 6"),
        ("gap:norm=l3", r"norm=l3; allowed are l1, l2, none"),
        ("gap:layer=a/b", r"gap takes one layer, and a/b are 2"),
        ("fc1:p=3", r"layer has no setting p"),
        ("hog:layer=fc1", "hog has no setting layer"),
        ("hog@0", "@0 is no weight; write a positive number"),
        ("hog+gch@-1", "@-1 is no weight"),
        ("hog+gch@inf", "@inf is no weight"),
        ("hog+gch@nan", "@nan is no weight"),
        ("hog+gch@two", "@two is no weight"),
        ("hog+gch@1e7", "@1e7 is no weight"),
        ("gch:bins=8,bins=16", "bins"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as refused:
        parse_spec(text)
    assert "\n" not in refused.value.message


@given(st.text(alphabet="gaphoem:=,+@/.x0123456789- ", max_size=30) | st.text(max_size=20))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    said = ""
    try:
        parse_spec(text)
    except PixkinError as refused:
        said = refused.message
    assert said.count("\n") <= text.count("\n")
