"""What is left of a file when everything but its pixels has been taken off."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Canvas:
    """A picture's size in pixels, and where the left upper corner of the decoded pixels lies; the rest is white."""

    width: int
    height: int
    left: int
    top: int


@dataclass(frozen=True)
class Content:
    """A file without the metadata that decoders stumble over, and the facts of it that matter.

    data: the file, reduced to what makes pixels · exif: the EXIF block, empty when there is none · transparent: the one
    grey value, or red, green and blue, that a PNG declares transparent, in the units of the decoded pixels · canvas: of
    a picture that may be larger than its decoded pixels · profile: the ICC profile, unchecked, empty: none.
    """

    data: bytes
    exif: bytes = b""
    transparent: tuple[int, ...] | None = None
    canvas: Canvas | None = None
    profile: bytes = b""
