from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pixkin_export.sources.options import InputForm, SourceOptions
from pixkin_proto.errors import InvalidArgument

FILE = Path("weights.pth")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": FILE, "download": True}, "weights come from one place"),
        ({"weights": FILE, "untrained": True}, "weights come from one place"),
        ({"download": True, "untrained": True}, "weights come from one place"),
        ({"native": True, "size": 224}, "either of its own proportions or of a fixed size"),
        ({"size": 0}, "size is 1 to 4096, not 0"),
        ({"size": -1}, "size is 1 to 4096, not -1"),
        ({"size": 4097}, "size is 1 to 4096, not 4097"),
        ({"native": True, "longest": 0}, "longest is 1 to 4096, not 0"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as refused:
        SourceOptions(**options)
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    "form",
    [
        {"scale": 0.0},
        {"scale": float("nan")},
        {"std": (1.0, 0.0, 1.0)},
        {"mean": (0.0, float("inf"), 0.0)},
    ],
)
def test_a_form_that_leaves_nothing_of_a_picture_is_refused(form: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="finite numbers and divide nothing by 0"):
        replace(InputForm(), **form)
