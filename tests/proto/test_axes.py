from __future__ import annotations

import json

import pytest
from pixkin_proto.axes import Axis, Outline, axes_from_plain, axes_to_plain, bin_name, check_axes
from pixkin_proto.errors import InvalidArgument

AXES = (
    Axis("region", ("left", "right"), (Outline(0, 0, 0.5, 1), Outline(0.25, 0.25, 0.5, 0.5, ellipse=True))),
    Axis("hue", ("red", "green", "blue")),
)


def test_the_last_axis_runs_fastest() -> None:
    assert [bin_name(AXES, place) for place in (0, 1, 3, 5)] == [
        "left, red",
        "left, green",
        "right, red",
        "right, blue",
    ]


def test_without_axes_a_bin_has_no_name() -> None:
    assert bin_name((), 7) == ""


def test_axes_survive_json() -> None:
    assert axes_from_plain(json.loads(json.dumps(axes_to_plain(AXES)))) == AXES


def test_axes_fit_their_descriptor() -> None:
    assert check_axes(AXES, 6) == AXES
    with pytest.raises(InvalidArgument, match="2 x 3 places are not 7 bins"):
        check_axes(AXES, 7)
    with pytest.raises(InvalidArgument, match="an outline for each"):
        check_axes((Axis("region", ("left", "right"), (Outline(0, 0, 1, 1),)),), 2)
