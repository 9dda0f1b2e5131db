"""How an extractor wants its pictures, and the one function that makes them so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pixkin_proto.errors import InvalidExtractor, NotImplementedYet, listed

from pixkin_embedding.limits import REQUEST_LIMITS, Limits

Resize = Literal["shorter", "longest", "exact"]
Rounding = Literal["half_up", "torchvision"]
Filter = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
MAX_SIZE = 16_384
LATER = {"rounding": "half_up", "least": 1}
"""Fields that older files lack, and what they then are: so these keep their fingerprints."""


@dataclass(frozen=True)
class Preprocessing:
    """The part of an extractor's metadata that says how a picture becomes its input.

    `resize` is one of
      - shorter: the shorter side becomes `size`, the longer one follows in proportion;
      - longest: the longest side becomes `size` in proportion, smaller pictures stay as they are;
      - exact: the picture becomes `size` = (height, width), whatever its proportions.
    `crop` = (height, width) then keeps the centre. `rounding` is one of
      - half_up: sides in proportion are rounded, halves up; the crop begins at row (rows - height) // 2, its first
        column likewise;
      - torchvision, as that library does: sides in proportion are cut off; the crop begins at half the rest, rounded,
        halves to even.
    Sides become at least `least`, also against the proportions: a network ends with nothing where they are too short.
    `filter` is one of Pillow's, which widen where a
    picture gets smaller (antialiasing). Raises InvalidExtractor for what cannot be done, and NotImplementedYet without
    antialiasing.
    """

    resize: Resize
    size: int | tuple[int, int]
    crop: tuple[int, int] | None = None
    filter: Filter = "bicubic"
    antialias: bool = True
    rounding: Rounding = "half_up"
    least: int = 1

    def __post_init__(self) -> None:
        _check(self.resize in get_args(Resize), "resize", self.resize, f"one of {', '.join(get_args(Resize))}")
        rules = get_args(Rounding)
        _check(self.rounding in rules, "rounding", self.rounding, f"one of {', '.join(rules)}")
        _check(self.filter in get_args(Filter), "filter", self.filter, f"one of {', '.join(get_args(Filter))}")
        _check(isinstance(self.antialias, bool), "antialias", self.antialias, "true or false")
        if self.resize == "exact":
            _check(_is_pair(self.size), "size", self.size, f"[height, width], each 1 to {MAX_SIZE}")
        else:
            _check(_is_side(self.size), "size", self.size, f"a number from 1 to {MAX_SIZE}")
        most = MAX_SIZE if isinstance(self.size, tuple) else self.size
        _check(_is_side(self.least) and self.least <= most, "least", self.least, f"a number from 1 to {most}")
        if self.crop is not None:
            _check(_is_pair(self.crop), "crop", self.crop, f"null or [height, width], each 1 to {MAX_SIZE}")
            self._check_crop_fits(self.crop)
        if not self.antialias:
            raise NotImplementedYet("preprocessing without antialiasing")

    def _check_crop_fits(self, crop: tuple[int, int]) -> None:
        _check(self.resize != "longest", "crop", crop, "null where resize is longest: sides may be of any length")
        room = self.size if isinstance(self.size, tuple) else (self.size, self.size)
        _check(
            crop[0] <= room[0] and crop[1] <= room[1], "crop", crop, f"at most {room[0]}x{room[1]}, as large as size"
        )

    @classmethod
    def from_dict(cls, declared: Mapping[str, Any]) -> Preprocessing:
        """Return what `to_dict` wrote; raise InvalidExtractor for a missing, unknown or impossible field."""
        expected = {field.name for field in fields(cls)}
        wrong = expected ^ {*LATER, *declared}
        if wrong:
            raise InvalidExtractor(
                f"preprocessing has the fields {listed(expected)}; missing or unknown here: {listed(wrong)}; the file "
                "was made by another version of pixkin, export the model anew"
            )
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in declared.items()
        }
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them, but for those of LATER that have their first value."""
        values = {name: value for name, value in asdict(self).items() if name not in LATER or value != LATER[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @property
    def description(self) -> str:
        """The steps in words."""
        if isinstance(self.size, tuple):
            resized = f"resized to {_words(self.size)}"
        elif self.resize == "shorter":
            resized = f"shorter side to {self.size}"
        else:
            resized = f"longest side at most {self.size}"
        resized += f", sides at least {self.least}" if self.least > 1 else ""
        return f"{resized} ({self.filter})" + (f", centre crop {_words(self.crop)}" if self.crop else "")

    @property
    def output_shape(self) -> tuple[int, int] | None:
        """(height, width) of every prepared picture; None when they vary."""
        return self.crop or (self.size if isinstance(self.size, tuple) else None)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) after resizing and before the crop."""
        if isinstance(self.size, tuple):
            return self.size
        side = min(height, width) if self.resize == "shorter" else max(height, width)
        if self.resize == "longest" and side <= self.size:
            return max(self.least, height), max(self.least, width)
        return self._in_proportion(height, side), self._in_proportion(width, side)

    def _in_proportion(self, length: int, side: int) -> int:
        """Return a length after the side `side` has become `size`."""
        size = self.size if isinstance(self.size, int) else max(self.size)
        if self.rounding == "torchvision":
            return max(self.least, length * size // side)
        return max(self.least, (2 * length * size + side) // (2 * side))

    def cropped(self, height: int, width: int) -> tuple[int, int]:
        """Return the first row and column of the crop of a resized picture, (0, 0) without one."""
        if self.crop is None:
            return 0, 0
        rest = (height - self.crop[0], width - self.crop[1])
        if self.rounding == "torchvision":
            return round(rest[0] / 2), round(rest[1] / 2)  # Python's own rounds halves to even
        return rest[0] // 2, rest[1] // 2


def prepare(
    pixels: NDArray[np.uint8], preprocessing: Preprocessing, limits: Limits = REQUEST_LIMITS
) -> NDArray[np.uint8]:
    """Return (h, w, 3) uint8 pixels as an extractor takes them: (h', w', 3) uint8, C-contiguous.

    Pixels that need no change are returned as they are. Raises InvalidImage, before any work, when the resized picture
    would be larger than the limits allow: a picture of 1x16384 pixels with its shorter side at 256 would take 4 GiB.
    """
    height, width = preprocessing.resized(*pixels.shape[:2])
    limits.check_pixels(width, height, because=f" once resized ({preprocessing.description})")
    if (height, width) != pixels.shape[:2]:
        resampling = Image.Resampling[preprocessing.filter.upper()]
        pixels = np.asarray(Image.fromarray(pixels).resize((width, height), resampling))
    if preprocessing.crop:
        rows, columns = preprocessing.crop
        top, left = preprocessing.cropped(height, width)
        pixels = pixels[top : top + rows, left : left + columns]
    return np.ascontiguousarray(pixels)


def _check(holds: bool, field: str, value: object, allowed: str) -> None:  # noqa: FBT001 - the condition comes first
    if not holds:
        raise InvalidExtractor(f"preprocessing says {field} = {value!r}; it must be {allowed}; export the model anew")


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SIZE


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_side, value))


def _words(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
