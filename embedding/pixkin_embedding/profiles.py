"""Colours that an ICC profile describes, as sRGB (ISO 15076-1), by littleCMS.

The bytes of a photo of a wide gamut are not its colours: taken as sRGB it is pale, and unlike itself.
"""

from __future__ import annotations

import logging
from collections import Counter
from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

MAX_PROFILE = 4 * 2**20
"""Bytes of a profile that is read; those of printing presses, the largest, have two million."""
REASONS = ("unreadable", "too_large", "other_colours")
IGNORED: Counter[str] = Counter()
"""How many pictures of this process were taken without the profile that they have, by reason."""
_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_SAME = 2  # of 255: profiles of sRGB differ so much in their rounding, and their pictures stay as they are
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE  # the black of a press is black

log = logging.getLogger("pixkin.embedding")


class Conversion:
    """From the colours of one profile to sRGB. mode: that of the images that it takes, RGB, L or CMYK."""

    def __init__(self, profile: bytes) -> None:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        self.mode = _MODES[source.profile.xcolor_space]
        flags = _FLAGS if self.mode != "L" else _FLAGS | ImageCms.Flags.NOOPTIMIZE
        self._transform = ImageCms.ImageCmsTransform(
            source, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")), self.mode, "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=flags,
        )  # fmt: skip
        self._greys = self._of(np.arange(256, dtype=np.uint8)[np.newaxis])[0] if self.mode == "L" else None

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return pixels, (h, w) or (h, w, channels) uint8 of `mode`, as (h, w, 3) uint8 sRGB."""
        return self._of(pixels) if self._greys is None else self._greys[pixels]

    def _of(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(self._transform.apply(Image.fromarray(pixels, self.mode)))

    @property
    def changes(self) -> bool:
        """Whether any colour becomes another one."""
        if self.mode == "CMYK":
            return True
        if self._greys is not None:
            return bool(abs(self._greys - np.arange(256)[:, np.newaxis]).max() > _SAME)
        levels = np.arange(0, 256, 15, dtype=np.uint8)
        cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
        return bool(abs(self.apply(cube) - cube.astype(int)).max() > _SAME)


def conversion(profile: bytes, mode: str) -> Conversion | None:
    """Return how an image of a mode becomes sRGB; None where it is sRGB, or its profile is none that can be used.

    A profile for RGB holds for greys as well, which are equal amounts of it. What is ignored is counted in IGNORED.
    """
    if not profile:
        return None
    try:
        found = _read(profile)
    except Exception as error:  # littleCMS finds a hundred faults, and a picture without its profile is a picture
        _ignore("unreadable" if len(profile) <= MAX_PROFILE else "too_large", str(error))
        return None
    if found is None:
        return None
    allowed = {"RGB": mode != "CMYK", "L": mode in {"1", "L", "LA"} or mode.startswith("I"), "CMYK": mode == "CMYK"}
    if allowed[found.mode]:
        return found
    _ignore("other_colours", f"the profile is for {found.mode}, the picture is {mode}")
    return None


def _ignore(why: str, detail: str) -> None:
    IGNORED[why] += 1
    log.debug("a colour profile is ignored: %s (%s)", why, detail)


@lru_cache(maxsize=8)  # a folder's pictures have a few profiles; making a conversion takes longer than a small picture
def _read(profile: bytes) -> Conversion | None:
    if len(profile) > MAX_PROFILE:
        raise ValueError(f"the profile has {len(profile):,} bytes and the limit is {MAX_PROFILE:,}")
    found = Conversion(profile)
    return found if found.changes else None
