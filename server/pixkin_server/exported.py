"""Extractor files that are made when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pixkin_embedding.directory import ExtractorDirectory


def export_missing(names: Iterable[str], directory: ExtractorDirectory, announce: Callable[[str], Any]) -> None:
    """Export the extractors of the catalogue that a directory does not have; `announce` is told of each.

    Raises what `export_model` raises, such as MissingExtra.
    """
    here = {extractor.name for extractor in directory.list().values()}
    for name in names:
        if name not in here:
            from pixkin_export.catalogue import find_entry
            from pixkin_export.exporting import export_model

            find_entry(name)  # or there is nothing to announce
            announce(f"exporting the extractor {name} to {directory.path}")
            export_model(name, directory=directory.path)
