"""Collections that several tests of evaluations ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.cli.evaluate.samples import import_line, paint

Cli = Callable[..., Any]
Where = tuple[object, ...]


@pytest.fixture
def items(tmp_path: Path) -> Path:
    """Two pictures of each of two colours, in folders."""
    for at in range(2):
        for colour in ("red", "blue"):
            paint(tmp_path / "items" / colour / f"{at}.png", *[colour] * 3, *["green"] * at)
    return tmp_path / "items"


@pytest.fixture
def line(pixkin: Cli, name: str, where: Where, tmp_path: Path) -> str:
    """Signed vectors: mass measures do not apply."""
    return import_line(pixkin, name, {"a1": 1, "a3": 3, "b-1": -1, "b2": 2}, tmp_path, where)
