"""Text files of ground truths and runs, line by line, so that an error can say where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pixkin_proto.errors import InvalidArgument


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and text, without spaces around it, of every line of a UTF-8 file that is not empty.

    Raises InvalidArgument when the file cannot be read or is no such text.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if text := line.strip():
                    yield number, text
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{path} is no text in UTF-8; save it as such") from error


def names_in(path: Path) -> list[str]:
    """Return the lines of a file of names. Raises InvalidArgument when a name stands there twice."""
    lines: dict[str, int] = {}
    for number, name in numbered_lines(path):
        if name in lines:
            raise wrong_line(path, number, f"{name} stands in line {lines[name]} already; delete one of them")
        lines[name] = number
    return list(lines)


def wrong_line(path: Path, number: int, message: str) -> InvalidArgument:
    """Return the error of one line of a file."""
    return InvalidArgument(f"{path}, line {number}: {message}")
