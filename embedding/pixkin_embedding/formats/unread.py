"""What files are that pixkin does not read, told by their first bytes, in the words of a message."""

from __future__ import annotations

import re

HEAD_BYTES = 64
"""As many first bytes as every format needs to be told."""

_BRANDS = {
    "HEIC": ("heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "msf1", "miaf"),
    "AVIF": ("avif", "avis"),
    "RAW": ("crx ",),
    "audio": ("M4A ", "M4B ", "M4P "),
}
_BEGINNINGS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("RAW", (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR")),
    ("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ("JPEG XL", (b"\xff\x0a", b"\0\0\0\x0cJXL ")),
    ("JPEG 2000", (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
    ("PSD", (b"8BPS",)),
    ("OpenEXR", (b"v/1\x01",)),
    ("Radiance HDR", (b"#?RADIANCE", b"#?RGBE")),
    ("QOI", (b"qoif",)),
    ("DDS", (b"DDS ",)),
    ("an XCF of GIMP", (b"gimp xcf",)),
    ("an icon", (b"\0\0\1\0", b"\0\0\2\0", b"icns")),
    ("PDF", (b"%PDF-",)),
    ("PostScript", (b"%!PS", b"\xc5\xd0\xd3\xc6")),
    ("a video", (b"\x1a\x45\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3", b"FLV\1", b"0&\xb2u\x8ef\xcf\x11")),
    ("audio", (b"ID3", b"fLaC", b"OggS")),
    ("an AppleDouble file, which macOS keeps beside another file", (b"\0\5\x16\7",)),
    ("a ZIP archive", (b"PK\3\4", b"PK\5\6")),
    ("a gzip archive", (b"\x1f\x8b",)),
    ("a 7z archive", (b"7z\xbc\xaf\x27\x1c",)),
    ("a RAR archive", (b"Rar!\x1a\7",)),
    ("a program", (b"\x7fELF", b"MZ\x90\0")),
    ("a Git LFS pointer in place of the file", (b"version https://git-lfs",)),
)
_TEXTS = (
    ("SVG", re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!--.*|<!DOCTYPE svg.*)?<svg", re.DOTALL | re.IGNORECASE)),
    ("PNM", re.compile(r"P[1-6]\s")),
    ("a web page", re.compile(r"\s*<(!doctype html|html|head|body)", re.IGNORECASE)),
    ("XML", re.compile(r"\s*<\?xml")),
)
_QUICKTIME = (b"moov", b"mdat", b"wide", b"pnot")


def kind_of(data: bytes) -> str:
    """Return what a file is that begins with these bytes: a format, or words such as `a video`; empty if unknown."""
    head = data[:HEAD_BYTES]
    if head[4:8] == b"ftyp":
        return _of_brand(head)
    if head[:2] == b"II" and head[8:10] == b"CR":
        return "RAW"
    for kind, beginnings in _BEGINNINGS:
        if head.startswith(beginnings):
            return kind
    if head[4:8] in _QUICKTIME or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return "a video"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "audio"
    return _of_text(head, data[:4096])


def is_text(data: bytes) -> bool:
    """Return whether the first bytes are characters of a text alone."""
    try:
        text = data[:HEAD_BYTES].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        cut = len(data) > error.start >= HEAD_BYTES - 3  # in the middle of a character
        return cut and is_text(data[: error.start])
    return bool(text) and all(c.isprintable() or c in "\t\n\r\f" for c in text)


def _of_brand(head: bytes) -> str:
    brand = head[8:12].decode("latin-1")
    return next((kind for kind, brands in _BRANDS.items() if brand in brands), "a video")


def _of_text(head: bytes, more: bytes) -> str:
    if not any(head):
        return "zeros, as a file that was never written to its end" if head else ""
    text = more.decode("utf-8-sig", "replace")
    kind = next((kind for kind, pattern in _TEXTS if pattern.match(text)), "")
    return kind or ("a text" if is_text(head) else "")
