"""Eight generated picture files that a careless importer reads wrongly, for the comparison before a file is written."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pixkin_embedding import golden

ORIENTATION = 0x0112


def picture_files() -> dict[str, bytes]:
    """Return the files by what is special about them; the same bytes with the same version of Pillow."""
    ramps, _, stripes, noise, discs, *_ = golden.pictures()
    return {
        # With the shorter side at 256, the other is 387.84: whether that is rounded or cut off shows.
        "not square": _saved(Image.fromarray(ramps).resize((303, 200)), "PNG"),
        "turned by EXIF": _saved(Image.fromarray(discs), "JPEG", exif=_turned(), quality=95),
        "CMYK": _saved(Image.fromarray(stripes).convert("CMYK"), "JPEG", quality=95),
        "16-bit grey": _saved(Image.fromarray(_grey16(noise)), "PNG"),
        "palette with alpha": _palette(discs),
        "1x1": _saved(Image.new("RGB", (1, 1), (200, 40, 90)), "PNG"),
        "20x500": _saved(Image.fromarray(ramps).resize((20, 500)), "PNG"),
        "4000x3000": _saved(Image.fromarray(discs).resize((4000, 3000), Image.Resampling.BILINEAR), "JPEG"),
    }


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return exif


def _grey16(noise: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return noise[..., 0].astype(np.uint16) * 256 + noise[..., 1]


def _palette(discs: NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(discs).quantize(32)
    return _saved(picture, "PNG", transparency=bytes(255 - 8 * place for place in range(32)))
