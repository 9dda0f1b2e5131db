"""What the .proto files say of their services, messages and fields: the comments, which stubs leave out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

OPENS = re.compile(r"^(?:service|message|enum|oneof)\s+(\w+)\s*\{")
DECLARES = re.compile(r"^(?:rpc\s+(\w+)|(?:(?:optional|repeated)\s+)?(?:map<[^>]*>|[\w.]+)?\s*(\w+)\s*=\s*\d+)")


@cache
def comments() -> dict[str, str]:
    """Return the comment of everything that is declared, by its path: Search.SearchBatch, Plan.fuse."""
    found: dict[str, str] = {}
    for file in files("pixkin_proto").joinpath("v1").iterdir():
        if file.name.endswith(".proto"):
            found.update(_read(file.read_text(encoding="utf-8")))
    return found


def _read(text: str) -> Iterator[tuple[str, str]]:
    """Yield (path, comment). A oneof is no part of the path of its fields."""
    inside: list[str] = []
    said: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if line.startswith("//"):
            said.append(line.removeprefix("//").strip())
            continue
        if opened := OPENS.match(line):
            oneof = line.startswith("oneof")
            if not oneof:
                yield ".".join([*filter(None, inside), opened[1]]), " ".join(said)
            if not line.endswith("}"):
                inside.append("" if oneof else opened[1])
        elif declared := DECLARES.match(line):
            yield ".".join([*filter(None, inside), declared[1] or declared[2]]), " ".join(said)
        elif line == "}":
            inside.pop()
        said = []
