"""What callers elsewhere are told: not where on the server things lie, and no commands for its shell."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_hidden: dict[str, str] = {}
_COMMAND = re.compile(r"\bpixkin (?:index|export-model|scripts|search|serve|opensearch|inspect)\b|--store\b")


def hide(places: Mapping[str, str]) -> None:
    """Tell of these paths of this process by other words from now on."""
    for path, words in places.items():
        if os.sep in path:
            _hidden.update({path: words, str(Path(path).absolute()): words, str(Path(path).resolve()): words})


def told(text: str) -> str:
    """Return a text without the paths that are hidden."""
    for path in sorted(_hidden, key=len, reverse=True):
        text = text.replace(path, _hidden[path])
    return text


def without_commands(text: str) -> str:
    """Return a sentence without the parts between semicolons that name commands; its first part stays as it is."""
    first, *others = text.split("; ")
    return "; ".join([first, *(other for other in others if not _COMMAND.search(other))])
