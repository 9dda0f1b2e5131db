"""Collections and pictures whose rankings can be told by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Cli = Callable[..., Any]
Where = tuple[object, ...]
COLOURS = {"red": (200, 20, 20), "blue": (20, 20, 200), "green": (20, 180, 20), "grey": (120, 120, 120)}


def import_line(
    pixkin: Cli, name: str, values: Mapping[str, float], folder: Path, where: Where, *, labelled: bool = True
) -> str:
    """Import items on a line, compared by their distance; the label of one is the first letter of its id, n is none."""
    np.save(folder / "v.npy", np.array([[value] for value in values.values()], np.float32))
    (folder / "v.txt").write_text("\n".join(values))
    files = ("--vectors", folder / "v.npy", "--ids", folder / "v.txt", "--measure", "euclidean")
    assert pixkin("index", "import", name, "--descriptor", "at", *files, *where).status == 0
    if labelled:
        rows = [{"id": item, "labels": [item[0]]} for item in values if item[0] != "n"]
        (folder / "l.jsonl").write_text("\n".join(map(json.dumps, rows)))
        assert pixkin("index", "update", name, "--manifest", folder / "l.jsonl", *where).status == 0
    return name


def paint(path: Path, *colours: str, size: tuple[int, int] = (64, 32)) -> Path:
    """Write a picture of upright stripes of these colours, each as wide as the others."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    for at, colour in enumerate(colours):
        pixels[:, at * width // len(colours) : (at + 1) * width // len(colours)] = COLOURS[colour]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def assert_refused(ran: Any, said: str, *, status: int = 1) -> None:
    """One line on stderr that has the text, nothing on stdout, and the exit status."""
    assert (ran.status, ran.out, ran.err.count("\n")) == (status, "", 1), ran.err
    assert said in ran.err
