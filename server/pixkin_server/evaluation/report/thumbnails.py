"""The pictures of a page. Each is embedded once, as the background of a CSS class, however often it appears."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256

from pixkin_embedding.images import decode, thumbnail
from pixkin_proto.errors import InvalidImage

from pixkin_server.evaluation.report import Picture

SIDE = 112


@dataclass(frozen=True)
class Thumbnail:
    """A picture on the page: its CSS class, and the size of the full picture in pixels (0 where it is not known)."""

    css_class: str
    width: int
    height: int


class Thumbnails:
    """The pictures that a page has used so far. side: of the longer edge in pixels."""

    def __init__(self, side: int = SIDE) -> None:
        self._side = side
        self._rules: dict[bytes, tuple[str, str]] = {}

    def add(self, picture: Picture | None) -> Thumbnail | None:
        """Return the thumbnail of a picture; None where there is none, or none that can be decoded."""
        if picture is None:
            return None
        key = sha256(picture.jpeg).digest()
        if key not in self._rules:
            try:
                self._rules[key] = self._rule(f"p{len(self._rules)}", picture.jpeg)
            except InvalidImage:
                return None
        return Thumbnail(self._rules[key][0], picture.width, picture.height)

    def css(self) -> str:
        """Return one rule for each picture."""
        return "".join(rule for _, rule in self._rules.values())

    def _rule(self, css_class: str, jpeg: bytes) -> tuple[str, str]:
        pixels = decode(jpeg)
        height, width = pixels.shape[:2]
        part = min(1.0, width / height)
        small = b64encode(thumbnail(pixels, self._side)).decode()
        return css_class, (
            f".{css_class}{{aspect-ratio:{width}/{height};width:{part:.2%};"
            f"background-image:url(data:image/jpeg;base64,{small})}}\n"
        )
