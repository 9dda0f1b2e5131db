"""How large and how complicated a picture may be."""

from __future__ import annotations

from dataclasses import dataclass

from pixkin_proto.errors import InvalidImage

MAX_BLOCKS = 10_000
"""How many pieces of metadata a JPEG or GIF may put before its pixels: walking millions of them takes seconds."""


@dataclass(frozen=True)
class Limits:
    """Caps that are checked before a picture's pixels are decoded or enlarged.

    Bytes are those of the file, pixels and sides those of the decoded and of the resized picture. `heif` lets HEIC in.
    """

    max_bytes: int = 16 * 2**20
    max_pixels: int = 50_000_000
    max_side: int = 16_384
    max_jpeg_scans: int = 100
    max_png_chunks: int = 10_000
    heif: bool = False

    def check_bytes(self, size: int) -> None:
        """Raise InvalidImage unless a file may have `size` bytes."""
        if size == 0:
            raise InvalidImage("empty", "the picture has no bytes; send the contents of an image file")
        if size > self.max_bytes:
            raise InvalidImage(
                "too_large",
                f"the file has {size:,} bytes, the limit is {self.max_bytes:,}; make it smaller",
            )

    def check_pixels(self, width: int, height: int, *, because: str = "") -> None:
        """Raise InvalidImage unless a picture may be `width` by `height` pixels; `because` says what makes it so."""
        if max(width, height) > self.max_side or width * height > self.max_pixels:
            raise InvalidImage(
                "too_many_pixels",
                f"the picture is {width}x{height} pixels{because} and the limit is {self.max_pixels:,} pixels and "
                f"{self.max_side:,} a side; make it smaller",
            )


def too_complex(what: str, most: int) -> InvalidImage:
    """Return the error for a file that has more than `most` pieces of one kind."""
    return InvalidImage(
        "too_complex", f"the picture has more than {most:,} {what}; open it in an image program and save it anew"
    )


REQUEST_LIMITS = Limits()
"""For pictures that strangers send."""

FOLDER_LIMITS = Limits(max_bytes=64 * 2**20, max_pixels=200_000_000, max_side=32_768)
"""For local files: cameras and scanners make such pictures."""
