"""Whether a file has bytes enough for the pixels that its header declares."""

from __future__ import annotations

from pixkin_proto.errors import InvalidImage


def check_declared(kind: str, width: int, height: int, *, has: int, least: int) -> None:
    """Raise InvalidImage unless a file of a `kind` that declares `width` by `height` pixels `has` at `least` the bytes.

    `least` is what the format's best possible compression leaves of them, so that a picture of one colour passes, and
    a file of a few bytes is refused before memory is taken for millions of pixels.
    """
    if has < least:
        raise InvalidImage(
            "corrupt",
            f"the {kind} declares {width}x{height} pixels and has {max(has, 0):,} bytes for them, which cannot hold "
            f"them (at least {least:,}); it is cut off",
        )
