from __future__ import annotations

import re
from io import BytesIO

import pytest
from PIL import Image, features
from pixkin_embedding.formats.unread import is_text, kind_of
from pixkin_embedding.images import decode
from pixkin_proto.errors import InvalidImage

BEGINNINGS = {
    "HEIC": [b"\0\0\0\x18ftypheic", b"\0\0\0\x24ftypmif1"],
    "AVIF": [b"\0\0\0\x20ftypavif", b"\0\0\0\x20ftypavis"],
    "TIFF": [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0"],
    "RAW": [b"II*\0\x10\0\0\0CR\2\0", b"FUJIFILMCCD-RAW ", b"IIRO\x08\0", b"IIU\0\x18", b"\0\0\0\x18ftypcrx "],
    "JPEG XL": [b"\xff\x0a\xfa\x7f", b"\0\0\0\x0cJXL \r\n\x87\n"],
    "JPEG 2000": [b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"],
    "PSD": [b"8BPS\0\1"],
    "SVG": [b"<svg xmlns='x'>", b"<?xml version='1.0'?>\n<!-- made -->\n<svg>", b"\xef\xbb\xbf<svg>"],
    "PDF": [b"%PDF-1.7\n%\xe2\xe3"],
    "a video": [
        b"\0\0\0\x1cftypmp42",
        b"\0\0\0\x14ftypqt  ",
        b"\0\0\0\x08wide",
        b"\x1a\x45\xdf\xa3",
        b"RIFF\0\0\0\0AVI ",
    ],
    "a web page": [b"<!DOCTYPE html><html>", b"\n<html lang=en>"],
    "a text": [b"404 not found", "é木".encode() * 40],
    "a Git LFS pointer in place of the file": [b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a"],
    "a ZIP archive": [b"PK\3\4\x14\0"],
    "an AppleDouble file, which macOS keeps beside another file": [b"\0\5\x16\7\0\2\0\0Mac OS X"],
    "zeros, as a file that was never written to its end": [bytes(4)],
    "of a format that pixkin does not know": [b"\x93\xfe\0\1"],
}
PAIRS = [(kind, beginning) for kind, beginnings in BEGINNINGS.items() for beginning in beginnings]


@pytest.mark.parametrize(("kind", "beginning"), PAIRS, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(PAIRS)])
def test_a_file_that_is_not_read_is_refused_by_the_name_of_its_format(kind: str, beginning: bytes) -> None:
    padded = beginning if kind == "a text" else beginning + bytes(100)
    with pytest.raises(InvalidImage) as refused:
        decode(padded)
    assert f"the file is {kind}; pixkin reads" in refused.value.message
    assert not re.search(r"\b[0-9a-f]{2} [0-9a-f]{2}\b", refused.value.message)


@pytest.mark.parametrize("name", ["AVIF", "TIFF", "JPEG2000", "PPM", "ICO"])
def test_what_pillow_writes_is_known_by_name(name: str) -> None:
    if name == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    out = BytesIO()
    Image.new("RGB", (32, 32), (200, 30, 30)).save(out, name)
    assert kind_of(out.getvalue()) == {"JPEG2000": "JPEG 2000", "PPM": "PNM", "ICO": "an icon"}.get(name, name)


def test_a_text_may_end_in_the_middle_of_a_character() -> None:
    assert is_text(("x" * 63 + "é").encode())
    assert not is_text(b"\xff" * 70)
    assert not is_text(b"")
