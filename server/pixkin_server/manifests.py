"""Manifests: lists of pictures, their labels and attributes, in .csv or .jsonl files."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pixkin_proto.errors import InvalidArgument, PixkinError
from pixkin_scoring.filters import number
from pixkin_scoring.items import Attribute
from pixkin_scoring.stores.checks import check_attributes

from pixkin_server.folders import Picture, prefixed

SHAPE = "{id, path, labels: [texts], attributes: {name: text or number}}"
FIXED = frozenset({"id", "path", "labels"})
Row = tuple[int, dict[str, Any]]
"""The line on which an entry ends, and what it says."""


def read_manifest(file: Path, *, prefix: str = "", paths: bool = True) -> list[Picture]:
    """Read a list of pictures from a .csv or .jsonl file.

    CSV: columns id, path, labels (separated by `;`), and any others as attributes. JSONL: one object a line with id,
    path, labels as a list, attributes as an object. Paths are relative to the manifest; id defaults to path. A missing
    column or key leaves labels or attributes as they are. Without `paths` each entry needs its id alone. Raises
    InvalidArgument naming the line, for an id that stands twice too.
    """
    readers: dict[str, Callable[[Path], Iterator[Row]]] = {".csv": _csv_rows, ".jsonl": _jsonl_rows}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise InvalidArgument(f"{file} is no manifest; its name ends in .csv or .jsonl")
    try:
        found = [(line, _picture(row, file, line, prefix, paths=paths)) for line, row in reader(file)]
    except (OSError, ValueError, OverflowError, RecursionError, csv.Error) as error:
        raise InvalidArgument(f"the manifest {file} cannot be read: {error}") from error
    if not found:
        raise InvalidArgument(f"the manifest {file} is empty; nothing was changed")
    lines: dict[str, int] = {}
    for line, picture in found:
        if picture.id in lines:
            raise InvalidArgument(
                f"lines {lines[picture.id]} and {line} of {file} have the same id {picture.id!r}; nothing was changed"
            )
        lines[picture.id] = line
    return [picture for _, picture in found]


def typed(text: str) -> Attribute:
    """Return an attribute's value: a number where the text is one and stays what it is (`filters.number`)."""
    value = number(text)
    return text if value is None else value


def _csv_rows(file: Path) -> Iterator[Row]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines, strict=True)
        columns = reader.fieldnames or []
        if len(set(columns)) < len(columns):
            raise InvalidArgument(f"the first line of {file} names a column twice: {', '.join(columns)}")
        for row in reader:
            if None in row or None in row.values():
                raise InvalidArgument(f"line {reader.line_num} of {file} has not {len(columns)} columns as the first")
            entry: dict[str, Any] = {key: row[key] for key in ("id", "path") if row.get(key)}
            if "labels" in row:
                labels = (label.strip() for label in row["labels"].split(";"))
                entry["labels"] = [label for label in labels if label]
            if set(columns) - FIXED:
                others = {key: value for key, value in row.items() if key not in FIXED and value}
                entry["attributes"] = {key: typed(value) for key, value in others.items()}
            yield reader.line_num, entry


def _jsonl_rows(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig") as lines:
        for line, text in enumerate(lines, 1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except ValueError as error:
                raise InvalidArgument(f"line {line} of {file} is no JSON: {error}") from None
            yield line, row


def _picture(row: Any, file: Path, line: int, prefix: str, *, paths: bool) -> Picture:
    if not _is_entry(row, paths=paths):
        raise InvalidArgument(f"line {line} of {file} is not {SHAPE}: {str(row)[:200]}")
    labels, attributes = row.get("labels"), row.get("attributes")
    path = row.get("path") or ""
    try:
        check_attributes(attributes or {})
    except PixkinError as error:
        raise InvalidArgument(f"line {line} of {file}: {error.message}") from None
    numbered = {key: value if isinstance(value, str) else float(value) for key, value in (attributes or {}).items()}
    return Picture(
        id=prefixed(row.get("id") or path, prefix),
        path=Path(os.path.abspath(file.parent.resolve() / path)),  # noqa: PTH100  # resolve() would follow links
        labels=None if labels is None else frozenset(labels),
        attributes=None if attributes is None else numbered,
    )


def _is_entry(row: Any, *, paths: bool) -> bool:
    if not isinstance(row, dict) or set(row) - {*FIXED, "attributes"}:
        return False
    needed, labels, attributes = row.get("path" if paths else "id"), row.get("labels"), row.get("attributes")
    return (
        isinstance(needed, str)
        and needed != ""
        and all(row.get(key) is None or _is_plain(row[key]) for key in ("id", "path"))
        and (labels is None or (isinstance(labels, list) and all(isinstance(label, str) for label in labels)))
        and (attributes is None or _are_attributes(attributes))
    )


def _is_plain(text: Any) -> bool:
    return isinstance(text, str) and "\0" not in text


def _are_attributes(attributes: Any) -> bool:
    return isinstance(attributes, Mapping) and all(
        isinstance(value, str | int | float) and not isinstance(value, bool) for value in attributes.values()
    )
