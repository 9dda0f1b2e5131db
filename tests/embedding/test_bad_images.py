"""What decoding makes of pictures that are damaged, hostile or odd."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile
from pixkin_embedding.images import Limits, decode
from pixkin_proto.errors import InvalidImage, NotImplementedYet

pytestmark = pytest.mark.slow


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def refusal(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(InvalidImage) as refused:
        decode(data, limits or Limits())
    return refused.value.detail


TINY = Image.fromarray(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3))
PROGRESSIVE = saved(TINY, "JPEG", progressive=True)


def jpeg_declaring(width: int, height: int, **options: object) -> bytes:
    """A tiny JPEG whose header declares another size, with an end of image: libjpeg fills in what is missing."""
    data = saved(TINY, "JPEG", **options)
    frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: frame + 5] + struct.pack(">2H", height, width) + data[frame + 9 :]


def jpeg_of_scans(count: int) -> bytes:
    last = PROGRESSIVE.rindex(b"\xff\xda")
    return PROGRESSIVE[:last] + PROGRESSIVE[last:-2] * (count - PROGRESSIVE.count(b"\xff\xda") + 1) + b"\xff\xd9"


def png_declaring(width: int, height: int) -> bytes:
    data = saved(TINY, "PNG")
    return data[:8] + chunk(b"IHDR", struct.pack(">2I", width, height) + data[24:29]) + data[33:]


def png_with(*extra: bytes) -> bytes:
    data = saved(TINY, "PNG")
    return data[:33] + b"".join(extra) + data[33:]


def webp_declaring(width: int, height: int) -> bytes:
    bits = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return b"RIFF" + struct.pack("<I", 26) + b"WEBPVP8L" + struct.pack("<I", 14) + b"\x2f" + bits + bytes(9)


def webp_canvas(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + sides


def gif_declaring(width: int, height: int) -> bytes:
    data = bytearray(saved(TINY, "GIF"))
    frame = data.index(b"," + bytes(4))
    data[frame + 5 : frame + 9] = struct.pack("<2H", width, height)
    return bytes(data)


def bmp_declaring(width: int, height: int, *, run_lengths: bool = False) -> bytes:
    data = saved(TINY.convert("P"), "BMP")
    return data[:18] + struct.pack("<2i", width, height) + data[26:30] + bytes([run_lengths, 0, 0, 0]) + data[34:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


BOMB = 7_071  # a side: just what is allowed
SIDES = (BOMB - 1).to_bytes(3, "little") * 2
LOSSY = b"\x10\0\0\x9d\x01\x2a" + struct.pack("<2H", BOMB, BOMB)
LOSSLESS = b"\x2f" + struct.pack("<I", (BOMB - 1) | (BOMB - 1) << 14)
UNREADABLE = {  # by what follows the header of a VP8L chunk, bits from the right
    "of zeros": bytes(20),
    "of ones": b"\xff" * 20,
    "of a cache that is too large": bytes([0b11110_0_1 << 1 & 0xFF]) + bytes(20),
    "of a transform without codes": bytes([0b001, *bytes(20)]),
    "of nothing": b"",
}
CANNOT_HOLD = {
    "a PNG": png_declaring(BOMB, BOMB),
    "a PNG without data": png_declaring(BOMB, BOMB)[:33] + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
    "a GIF": gif_declaring(BOMB, BOMB),
    "a BMP": bmp_declaring(BOMB, BOMB),
    "a BMP upside down": bmp_declaring(BOMB, -BOMB),
    "a BMP of run lengths without any": bmp_declaring(1_500, 1_500, run_lengths=True)[:1_078],
    "a BMP of OS/2": b"BM" + bytes(8) + struct.pack("<2I4H", 26, 12, BOMB, BOMB, 1, 24) + bytes(100),
    "a BMP of a header of 16 bytes": b"BM" + bytes(8) + struct.pack("<2I4H", 30, 16, BOMB, BOMB, 1, 24) + bytes(100),
    "a lossy WebP": riff((b"VP8 ", LOSSY + bytes(200))),
    "a lossy WebP on a canvas": riff((b"VP8X", bytes(4) + SIDES), (b"VP8 ", LOSSY + bytes(200))),
    "a canvas without a picture": riff((b"VP8X", bytes(4) + SIDES), (b"EXIF", bytes(20))),
    "an animation without a frame": riff((b"VP8X", b"\x02" + bytes(3) + SIDES), (b"ANIM", bytes(6))),
    "an animation of a lossy frame": riff(
        (b"VP8X", b"\x02" + bytes(3) + SIDES),
        (b"ANIM", bytes(6)),
        (b"ANMF", bytes(6) + SIDES + bytes(4) + riff((b"VP8 ", LOSSY + bytes(200)))[12:]),
    ),
    "a WebP whose picture is cut off": riff((b"VP8L", LOSSLESS + bytes(20)))[:-10],
    **{f"a lossless WebP {name}": riff((b"VP8L", LOSSLESS + data)) for name, data in UNREADABLE.items()},
    "a lossless WebP on a canvas": riff((b"VP8X", bytes(4) + SIDES), (b"VP8L", LOSSLESS + bytes(20))),
}
BOMBS = {
    "a JPEG of 16384x3000 in a few hundred bytes": (jpeg_declaring(16_384, 3_000), "corrupt"),
    "a progressive JPEG of 8000x6000 in a few hundred bytes": (
        jpeg_declaring(8_000, 6_000, progressive=True),
        "corrupt",
    ),
    "a JPEG of 65000x65000": (jpeg_declaring(65_000, 65_000), "too_many_pixels"),
    "a JPEG of 500 scans": (jpeg_of_scans(500), "too_complex"),
    "a JPEG of a million comments": (b"\xff\xd8" + b"\xff\xfe\0\2" * 1_000_000, "too_complex"),
    "a PNG of 60000x60000": (png_declaring(60_000, 60_000), "too_many_pixels"),
    "a PNG of 1x16385": (png_declaring(1, 16_385), "too_many_pixels"),
    "a PNG of 20000 chunks": (png_with(*[chunk(b"teSt", b"")] * 20_000), "too_complex"),
    "a WebP of 34 bytes": (webp_declaring(16_384, 16_384), "too_many_pixels"),
    "a WebP with a canvas of 16 million a side": (webp_canvas(2**24, 2**24), "too_many_pixels"),
    "a GIF whose frame leaves the screen": (gif_declaring(65_535, 65_535), "too_many_pixels"),
    "a GIF of a million comment blocks": (b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1x" * 1_000_000, "too_complex"),
    "a BMP of two billion a side": (bmp_declaring(2**31 - 1, 2**31 - 1), "too_many_pixels"),
    "a BMP upside down of two billion a side": (bmp_declaring(2**31 - 1, -(2**31) + 1), "too_many_pixels"),
    "a run-length BMP of 16000x3000": (bmp_declaring(16_000, 3_000, run_lengths=True), "too_complex"),
    "a file of 17 MB": (bytes(17_000_000), "too_large"),
    "no bytes": (b"", "empty"),
    "a text": (b"BX no picture at all", "unsupported_format"),
}


def no_pixels(*_: object) -> None:
    pytest.fail("its pixels were decoded")


@pytest.mark.parametrize("name", CANNOT_HOLD)
def test_bytes_that_cannot_hold_their_pixels_are_refused_before_memory_is_taken(name: str) -> None:
    assert refusal(CANNOT_HOLD[name]) == "corrupt"
    assert peak_memory(CANNOT_HOLD[name]) < 20 * 2**20


@pytest.mark.parametrize("side", [1, 17, 2_000])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_pictures_of_one_colour_are_never_too_few_bytes_for_their_pixels(mode: str, side: int) -> None:
    one = Image.new(mode, (side, side), 1)
    for kind, options in (
        ("PNG", {"optimize": True}),
        ("GIF", {}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 0, "method": 1}),
        ("JPEG", {"quality": 1, "optimize": True}),
        ("JPEG", {"quality": 1, "progressive": True}),
    ):
        if not (kind in {"JPEG", "BMP"} and mode in {"P", "RGBA"}):
            assert decode(saved(one, kind, **options)).shape == (side, side, 3), kind


def test_a_lossless_webp_of_one_colour_takes_no_byte_for_its_pixels() -> None:
    symbols = "000" + "1000" * 5  # no transform, cache or map; every code has one symbol
    packed = int(symbols[::-1], 2).to_bytes(4, "little")
    assert decode(riff((b"VP8L", LOSSLESS + packed))).shape == (BOMB, BOMB, 3)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_for_what_it_is_before_its_pixels_are_touched(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, detail = BOMBS[name]
    if detail != "corrupt":
        monkeypatch.setattr(ImageFile.ImageFile, "load", no_pixels)
    assert refusal(data) == detail


CHILD = """
import sys
from pathlib import Path
from pixkin_embedding.images import decode
from pixkin_proto.errors import InvalidImage

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

data = sys.stdin.buffer.read()
before = peak()
try:
    decode(data)
except InvalidImage:
    pass
print(peak() - before)
"""


def peak_memory(data: bytes) -> int:
    """Return by how many bytes a process grows while it decodes."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process's memory is read from /proc")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", CHILD], input=data, capture_output=True, check=True, env=environment)
    return int(run.stdout)


@pytest.mark.parametrize(
    "name", [name for name, (_, detail) in BOMBS.items() if detail in {"corrupt", "too_many_pixels"}]
)
def test_a_bomb_takes_no_memory(name: str) -> None:
    assert peak_memory(BOMBS[name][0]) < 20 * 2**20


def test_twelve_megapixels_take_less_than_three_times_their_own_memory() -> None:
    photo = saved(TINY.resize((4_000, 3_000)), "JPEG", quality=90)
    assert peak_memory(photo) < 3 * 36_000_000


def test_texts_and_profiles_that_unpack_to_gigabytes_are_left_packed() -> None:
    packed = zlib.compress(bytes(50_000_000), 9)
    bombs = [
        chunk(b"zTXt", b"a\0\0" + packed),
        chunk(b"iCCP", b"a\0\0" + packed),
        chunk(b"iTXt", b"a\0\1\0\0\0" + packed),
    ]
    data = png_with(*bombs * 50)
    assert np.array_equal(decode(data), np.asarray(TINY))
    assert peak_memory(data) < 45_000_000  # the file has 7 MB, and one of its texts unpacks to 50


def test_the_largest_run_length_bmp_is_decoded() -> None:
    width, height = 1_500, 1_600
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0)
    runs = (b"\x01\x07" * width + b"\0\0") * height
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) + header + bytes(range(256)) * 4 + runs
    assert decode(data).shape == (height, width, 3)


def test_scans_are_counted_in_the_picture_and_not_behind_or_inside_its_metadata() -> None:
    assert decode(jpeg_of_scans(100)).shape == (16, 16, 3)
    assert refusal(jpeg_of_scans(101)) == "too_complex"
    preview = b"\xff\xe3" + struct.pack(">H", 2 + 3_000) + b"\xff\xda\0\2" * 750
    assert decode(PROGRESSIVE[:2] + preview + PROGRESSIVE[2:]).shape == (16, 16, 3)
    assert decode(PROGRESSIVE + b"\xff\xda\0\2" * 5_000).shape == (16, 16, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP"])
def test_a_picture_that_was_cut_off_is_corrupt(kind: str) -> None:
    data = saved(TINY.resize((200, 200)), kind)
    assert decode(data).shape == (200, 200, 3)
    for kept in (len(data) // 3, len(data) // 2, len(data) * 9 // 10):
        assert refusal(data[:kept]) == "corrupt"


def test_the_limits_are_settings_and_their_messages_say_what_to_raise() -> None:
    data = saved(TINY, "PNG")
    for limits, said in [
        (Limits(max_bytes=100), "the limit is 100; make it smaller"),
        (Limits(max_pixels=255), "the limit is 255 pixels"),
        (Limits(max_side=15), "15 a side"),
        (Limits(max_png_chunks=2), "more than 2 chunks"),
    ]:
        with pytest.raises(InvalidImage, match=said):
            decode(data, limits)
    with pytest.raises(InvalidImage, match="more than 5 scans"):
        decode(PROGRESSIVE, Limits(max_jpeg_scans=5))


def test_heic_is_refused_by_name() -> None:
    heic = b"\0\0\0\x18ftypheic" + bytes(100)
    assert refusal(heic) == "unsupported_format"
    with pytest.raises(InvalidImage, match="is HEIC"):
        decode(heic)
    with pytest.raises(NotImplementedYet, match="HEIC"):
        decode(heic, Limits(heif=True))


def corpus(data: Path) -> Iterator[tuple[str, bytes]]:
    bad = data / "bad-images"
    for path in sorted((bad / "libpng").rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()
    with zipfile.ZipFile(bad / "go-fuzz-corpus.zip") as archive:
        for name in archive.namelist():
            if not name.endswith("/"):
                yield name, archive.read(name)


def outcome(contents: bytes, limits: Limits | None = None) -> str:
    """Return "picture", once its array is checked, or the detail of the refusal."""
    try:
        pixels = decode(contents, limits or Limits())
    except InvalidImage as error:
        return error.detail
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.shape[2:] == (3,)
    return "picture"


def test_every_file_of_the_corpora_is_a_picture_or_is_refused(data: Path) -> None:
    outcomes: Counter[str] = Counter()
    for _, contents in corpus(data):
        outcomes[outcome(contents)] += 1
    assert outcomes["picture"] > 400
    assert outcomes["corrupt"] > 1_000
    assert set(outcomes) <= {"picture", *InvalidImage.DETAILS}


CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def reference_png(data: bytes) -> NDArray[np.float64] | None:
    """Return a PNG on white as (h, w, 3) float64, 0 to 255, by the specification alone; None if interlaced."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">2I5B", data[16:29])
    if interlaced:
        return None
    chunks: dict[bytes, bytes] = {}
    position = 8
    while position < len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        chunks[name] = chunks.get(name, b"") + data[position + 8 : position + 8 + length]
        position += 12 + length
    samples = unfiltered(zlib.decompress(chunks[b"IDAT"]), width, height, depth, CHANNELS[colour])
    return painted(samples, depth, colour, chunks)


def unfiltered(raw: bytes, width: int, height: int, depth: int, channels: int) -> NDArray[np.int64]:
    stride, step = (width * depth * channels + 7) // 8, max(1, depth * channels // 8)
    rows, above = [], bytearray(stride)
    for row in range(height):
        kind, line = raw[row * (stride + 1)], bytearray(raw[row * (stride + 1) + 1 : (row + 1) * (stride + 1)])
        for i in range(stride):
            left, up, corner = (line[i - step] if i >= step else 0), above[i], (above[i - step] if i >= step else 0)
            nearest = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
            line[i] = line[i] + (0, left, up, (left + up) // 2, nearest)[kind] & 255
        rows.append(line)
        above = line
    bits = np.unpackbits(np.array(rows, np.uint8), axis=1)[:, : width * depth * channels]
    return bits.reshape(height, width, channels, depth).astype(np.int64) @ (1 << np.arange(depth - 1, -1, -1))


def painted(samples: NDArray[np.int64], depth: int, colour: int, chunks: dict[bytes, bytes]) -> NDArray[np.float64]:
    key = chunks.get(b"tRNS", b"")
    if colour == 3:
        alphas = np.frombuffer(key.ljust(256, b"\xff"), np.uint8)[samples]
        rgb = np.frombuffer(chunks[b"PLTE"].ljust(768, b"\0"), np.uint8).reshape(256, 3)[samples[..., 0]]
        return rgb * (alphas / 255) + 255 * (1 - alphas / 255)
    scaled = samples / (2**depth - 1)
    alpha: NDArray[np.float64] = np.ones((*samples.shape[:2], 1))
    if colour >= 4:
        alpha = scaled[..., -1:]
        scaled = scaled[..., :-1]
    elif key:
        alpha = 1.0 - (samples == struct.unpack(f">{samples.shape[2]}H", key)).all(axis=2, keepdims=True)
    return np.broadcast_to(255 * (scaled * alpha + 1 - alpha), (*samples.shape[:2], 3))


def test_the_png_suites_decode_as_the_specification_says(data: Path) -> None:
    compared = 0
    suites = data / "bad-images" / "libpng" / "contrib"
    for path in [*sorted((suites / "pngsuite").glob("*.png")), *sorted((suites / "testpngs").glob("*.png"))]:
        contents = path.read_bytes()
        reference = reference_png(contents)
        if reference is None:
            continue
        depth, colour = contents[24:26]
        upper_byte = depth == 16 and colour != 0  # Pillow cuts these to 8 bits, which is within one
        difference = np.abs(decode(contents) - reference)
        assert difference.max() <= (2 if upper_byte else 0.51), path.name
        compared += 1
    assert compared > 100


def test_interlaced_pngs_are_the_same_pictures(data: Path) -> None:
    suite = data / "bad-images" / "libpng" / "contrib" / "pngsuite"
    compared = [path for path in sorted(suite.glob("i*.png")) if (suite / path.name[1:]).exists()]
    assert len(compared) > 15
    for path in compared:
        assert np.array_equal(decode(path.read_bytes()), decode((suite / path.name[1:]).read_bytes())), path.name


VALID = [
    saved(TINY, "JPEG"),
    PROGRESSIVE,
    saved(TINY.convert("CMYK"), "JPEG"),
    saved(TINY, "PNG"),
    saved(TINY.convert("P"), "PNG", transparency=bytes(range(0, 250, 5))),
    saved(Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16)), "PNG", transparency=9),
    saved(TINY, "PNG", save_all=True, append_images=[TINY.rotate(90)]),
    saved(TINY, "GIF", save_all=True, append_images=[TINY.rotate(90)], comment=b"hello", transparency=3),
    saved(TINY, "WEBP"),
    saved(TINY, "WEBP", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"),
    saved(TINY, "WEBP", save_all=True, append_images=[TINY.rotate(90)]),
    saved(TINY, "BMP"),
    saved(TINY.convert("P"), "BMP"),
]


@settings(max_examples=1_000, deadline=2_000)
@given(
    picture=st.sampled_from(VALID),
    edits=st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=6),
    inserted=st.tuples(st.integers(0, 2_000), st.binary(max_size=12)),
    kept=st.floats(0.05, 4),
)
def test_whatever_is_changed_in_a_picture_it_decodes_or_is_refused(
    picture: bytes, edits: list[tuple[int, int]], inserted: tuple[int, bytes], kept: float
) -> None:
    changed = bytearray(picture)
    for position, value in edits:
        changed[position % len(changed)] = value
    place = inserted[0] % len(changed)
    changed[place:place] = inserted[1]
    kept_bytes = bytes(changed[: max(1, int(len(changed) * kept))])
    assert outcome(kept_bytes, Limits(max_pixels=2_000_000)) in {"picture", *InvalidImage.DETAILS}
