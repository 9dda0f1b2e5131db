"""What is left of a file when everything but its pixels has been taken off."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Content:
    """A file without the metadata that decoders stumble over, and the two facts of it that matter.

    data: the file, reduced to what makes pixels · exif: the EXIF block, empty when there is none · transparent: the one
    grey value, or red, green and blue, that a PNG declares transparent, in the units of the decoded pixels.
    """

    data: bytes
    exif: bytes = b""
    transparent: tuple[int, ...] | None = None
