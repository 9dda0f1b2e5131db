"""Some 200 pictures made from the photographs inside the scikit-image and scikit-learn packages.

Each photograph is cropped, turned, scaled and lit in a dozen ways, so the right answers are known: all
pictures of the same photograph. One variant of each is kept back as a query.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from pixkin_proto.errors import MissingExtra

SCIKIT_IMAGE = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png",
    "retina.jpg", "rocket.jpg", "text.png",
)  # fmt: skip
SCIKIT_LEARN = ("china.jpg", "flower.jpg")
INDEXED = 11
SIDE = 480


def make_pictures(folder: Path) -> tuple[Path, list[Path]]:
    """Write the pictures below a folder, once; returns the folder to index and the files to search with.

    The folder to index has one folder for each photograph. Raises MissingExtra when the packages are not installed.
    """
    indexed, queries = folder / "pictures", folder / "queries"
    for source in photographs():
        wanted = [indexed / source.stem / f"{number:02}.jpg" for number in range(INDEXED)]
        wanted.append(queries / f"{source.stem}.jpg")
        if all(path.exists() for path in wanted):
            continue
        with Image.open(source) as file:
            photograph = ImageOps.contain(file.convert("RGB"), (SIDE * 3 // 2, SIDE * 3 // 2))
        # The seed is the name, so that every machine makes the same pictures.
        draw = np.random.default_rng(list(source.stem.encode()))
        for path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            _variant(photograph, draw).save(path, quality=90)
    return indexed, sorted(queries.glob("*.jpg"))


def photographs() -> list[Path]:
    """Return the photographs that the installed packages carry."""
    found = []
    for package, below, names in (("skimage", "data", SCIKIT_IMAGE), ("sklearn", "datasets/images", SCIKIT_LEARN)):
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise MissingExtra("pixkin demo without --images", "demo")
        found += [path for name in names if (path := Path(spec.origin).parent / below / name).is_file()]
    return found


def _variant(photograph: Image.Image, draw: np.random.Generator) -> Image.Image:
    """Return a part of the photograph turned, mirrored, scaled and lit by chance."""
    part = _turned_part(photograph, angle=draw.uniform(-12, 12), share=draw.uniform(0.7, 1.0), at=draw.random(2))
    if draw.random() < 0.4:
        part = ImageOps.mirror(part)
    side = int(draw.integers(SIDE // 2, SIDE))
    scaled = ImageOps.contain(part, (side, side))
    lit = ImageEnhance.Brightness(scaled).enhance(draw.uniform(0.7, 1.3))
    return ImageEnhance.Color(ImageEnhance.Contrast(lit).enhance(draw.uniform(0.8, 1.25))).enhance(
        draw.uniform(0.7, 1.3)
    )


def _turned_part(photograph: Image.Image, *, angle: float, share: float, at: NDArray[np.float64]) -> Image.Image:
    """Return a part that lies aslant in the photograph, so that no corner is empty.

    angle: degrees · share: of the largest such part of the photograph's shape · at: (2,) where it lies, each 0 to 1.
    """
    size = np.array(photograph.size)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(abs(angle)))
    bounds = np.array([[cos, sin], [sin, cos]]) @ size  # of the whole photograph when it is turned
    scale = share * (size / bounds).min()
    centre = scale * bounds / 2 + at * (size - scale * bounds)
    turned = photograph.rotate(angle, Image.Resampling.BICUBIC, center=(centre[0], centre[1]))
    (left, top), (right, bottom) = np.rint(centre - scale * size / 2), np.rint(centre + scale * size / 2)
    return turned.crop((int(left), int(top), int(right), int(bottom)))
