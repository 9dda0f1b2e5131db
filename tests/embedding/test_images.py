"""What decoding makes of pictures that are in order."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pixkin_embedding.images import FOLDER_LIMITS, Box, decode, thumbnail
from pixkin_proto.errors import InvalidCrop, InvalidImage

WHITE = 255
HEIGHT, WIDTH = 71, 45  # more than one band of rows, and no two sides alike


@pytest.fixture
def scene() -> NDArray[np.uint8]:
    """(71, 45, 3) uint8, different in every corner."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([rows * 3, columns * 5, (rows + columns) * 2], axis=2).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int, *, order: str = "<", kind: int = 3) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(order + "HHHIHH", 1, 0x0112, kind, 1, orientation, 0)
    return b"Exif\0\0" + mark + struct.pack(order + "I", 8) + entries


def as_stored(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return the pixels that a camera held so writes; the orientations of the EXIF standard, by its table of sides."""
    turned = {
        1: upright,
        2: np.fliplr(upright),
        3: np.rot90(upright, 2),
        4: np.flipud(upright),
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    return np.ascontiguousarray(turned[orientation])


def on_white(colour: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.float64]:
    share = alpha.astype(np.float64) / 255
    return colour * share + WHITE * (1 - share)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
def test_lossless_pictures_decode_to_their_own_pixels(kind: str, scene: NDArray[np.uint8]) -> None:
    data = saved(Image.fromarray(scene), kind, **({"lossless": True} if kind == "WEBP" else {}))
    pixels = decode(data)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, scene)


def test_a_photo_decodes_to_what_pillow_makes_of_it(data: Path) -> None:
    photos = sorted((data / "corel1k").glob("*/*.jpg"))[::101]
    assert len(photos) > 5
    for photo in photos:
        with Image.open(photo) as image:
            assert np.array_equal(decode(photo.read_bytes()), np.asarray(image.convert("RGB"))), photo.name


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_decodes_upright(orientation: int, scene: NDArray[np.uint8]) -> None:
    stored = Image.fromarray(as_stored(scene, orientation))
    assert np.array_equal(decode(saved(stored, "PNG", exif=exif(orientation))), scene)
    assert np.array_equal(decode(saved(stored, "PNG", exif=exif(orientation, order=">"))), scene)
    assert np.array_equal(decode(saved(stored, "WEBP", lossless=True, exif=exif(orientation))), scene)


@pytest.mark.parametrize("orientation", [2, 6, 7])
def test_a_jpeg_and_a_grey_picture_are_turned_too(orientation: int, scene: NDArray[np.uint8]) -> None:
    stored = Image.fromarray(as_stored(scene, orientation))
    plain = decode(saved(stored, "JPEG", quality=95))
    turned = decode(saved(stored, "JPEG", quality=95, exif=exif(orientation)))
    assert np.array_equal(as_stored(turned, orientation), plain)
    grey = np.repeat(scene[..., :1], 3, axis=2)
    stored = Image.fromarray(as_stored(grey, orientation)).convert("L")
    assert np.array_equal(decode(saved(stored, "PNG", exif=exif(orientation))), grey)


@pytest.mark.parametrize(
    "block",
    [exif(0), exif(9), exif(65535), exif(6, kind=4), exif(6)[:-6], b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"],
)
def test_an_odd_orientation_leaves_the_picture_as_it_is(block: bytes, scene: NDArray[np.uint8]) -> None:
    assert np.array_equal(decode(saved(Image.fromarray(scene), "PNG", exif=block)), scene)


def test_photographed_orientations_all_show_the_upright_scene(data: Path) -> None:
    for scene in ("Landscape", "Portrait"):
        small = []
        for orientation in range(9):
            pixels = decode((data / "bad-images" / "exif-orientation" / f"{scene}_{orientation}.jpg").read_bytes())
            small.append(np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BOX)).astype(float))
        for orientation in range(1, 9):
            assert np.abs(small[orientation] - small[0]).mean() <= 2, f"{scene}_{orientation}"


def test_sixteen_bit_greys_are_scaled_and_rounded() -> None:
    values = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    pixels = decode(saved(Image.fromarray(values), "PNG"))
    assert np.array_equal(pixels[..., 1], np.round(values * 255.0 / 65_535).astype(np.uint8))
    assert (pixels == pixels[..., :1]).all()


def test_alpha_is_composited_on_white(scene: NDArray[np.uint8]) -> None:
    alpha = np.linspace(0, 255, HEIGHT * WIDTH).astype(np.uint8).reshape(HEIGHT, WIDTH, 1)
    expected = on_white(scene, alpha)
    rgba = Image.fromarray(np.concatenate([scene, alpha], axis=2))
    assert np.abs(decode(saved(rgba, "PNG")) - expected).max() <= 0.51
    assert np.abs(decode(saved(rgba, "WEBP", lossless=True, exact=True)) - expected).max() <= 0.51
    grey_alpha = Image.merge("LA", [Image.fromarray(scene[..., 0]), Image.fromarray(alpha[..., 0])])
    assert np.abs(decode(saved(grey_alpha, "PNG")) - expected[..., :1]).max() <= 0.51


def test_a_palette_decodes_to_its_colours_and_its_transparency_to_white(scene: NDArray[np.uint8]) -> None:
    indices = Image.fromarray((scene[..., 0] % 4).astype(np.uint8))
    colours = np.array([[250, 0, 0], [0, 200, 0], [0, 0, 150], [9, 9, 9]], np.uint8)
    palette = Image.new("P", indices.size)
    palette.putdata(indices.tobytes())
    palette.putpalette(colours.tobytes())
    drawn = colours[scene[..., 0] % 4]
    assert np.array_equal(decode(saved(palette, "PNG")), drawn)
    assert np.array_equal(decode(saved(palette, "GIF")), drawn)
    assert np.array_equal(decode(saved(palette, "BMP")), drawn)
    one = np.where((scene[..., :1] % 4) == 2, WHITE, drawn)
    assert np.array_equal(decode(saved(palette, "PNG", transparency=2)), one)
    assert np.array_equal(decode(saved(palette, "GIF", transparency=2)), one)
    alphas = np.array([0, 100, 200, 255], np.uint8)
    graded = on_white(drawn, alphas[scene[..., 0] % 4][..., np.newaxis])
    assert np.abs(decode(saved(palette, "PNG", transparency=alphas.tobytes())) - graded).max() <= 0.51


def test_a_transparent_colour_of_a_png_becomes_white(scene: NDArray[np.uint8]) -> None:
    expected = scene.copy()
    expected[5, 7] = WHITE
    colour = tuple(int(value) for value in scene[5, 7])
    assert np.array_equal(decode(saved(Image.fromarray(scene), "PNG", transparency=colour)), expected)
    wide = np.arange(4000, dtype=np.uint16).reshape(40, 100)
    pixels = decode(saved(Image.fromarray(wide), "PNG", transparency=300))
    assert pixels[3, 0].tolist() == [WHITE] * 3
    assert (pixels == WHITE).all(axis=2).sum() == 1


def test_one_bit_pictures_are_black_and_white(scene: NDArray[np.uint8]) -> None:
    bits = scene[..., 0] > 100
    for kind in ("PNG", "BMP", "GIF"):
        pixels = decode(saved(Image.fromarray(bits), kind))
        assert np.array_equal(pixels[..., 2], np.where(bits, 255, 0)), kind


def test_cmyk_and_ycck_photos_keep_their_colours(scene: NDArray[np.uint8]) -> None:
    cmyk = Image.fromarray(scene).convert("CMYK")
    assert np.abs(decode(saved(cmyk, "JPEG", quality=100)).astype(int) - scene).mean() < 3
    grey = decode(saved(Image.fromarray(scene[..., 0]), "JPEG", quality=100))
    assert np.abs(grey[..., 2].astype(int) - scene[..., 0]).max() <= 2


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation_counts(kind: str, scene: NDArray[np.uint8]) -> None:
    first = Image.fromarray((scene // 64) * 64)
    later = [Image.new("RGB", first.size, (level, 0, 0)) for level in (10, 200)]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    data = saved(first, kind, save_all=True, append_images=later, duration=40, **lossless)
    assert np.abs(decode(data).astype(int) - np.asarray(first)).mean() <= 1


def test_a_gif_frame_that_leaves_the_screen_enlarges_it() -> None:
    data = bytearray(saved(Image.new("L", (20, 10), 77), "GIF"))
    data[6:10] = struct.pack("<2H", 8, 8)
    assert decode(bytes(data)).shape == (10, 20, 3)


def gif_with_frame(left: int, top: int, control: bytes) -> bytes:
    """A GIF of 12x9 pixels, whose palette begins with blue, and whose only frame is 4x3 red pixels."""
    frame = Image.new("P", (4, 3), 1)
    frame.putpalette([0, 0, 200, 200, 0, 0, 0, 200, 0, 9, 9, 9])
    data = saved(frame, "GIF", optimize=False)
    palette = 13 + (3 << (data[10] & 7) + 1)
    pixels = data[data.index(b"," + bytes(4), palette) + 9 :]
    screen = struct.pack("<2H", 12, 9)
    return data[:6] + screen + data[10:palette] + control + b"," + struct.pack("<4H", left, top, 4, 3) + pixels


CONTROLS = {
    "no control": b"",
    "no transparent colour": b"\x21\xf9\x04\0\0\0\0\0",
    "a transparent colour": b"\x21\xf9\x04\x01\0\0\0\0",
    "another transparent colour": b"\x21\xf9\x04\x01\0\0\x03\0",
}


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("corner", [(0, 0), (5, 2), (8, 6)])
def test_what_a_small_gif_frame_leaves_free_is_white(corner: tuple[int, int], control: str) -> None:
    left, top = corner
    expected = np.full((9, 12, 3), WHITE, np.uint8)
    expected[top : top + 3, left : left + 4] = (200, 0, 0)
    assert np.array_equal(decode(gif_with_frame(left, top, CONTROLS[control])), expected)


@pytest.mark.parametrize("flags", [0x02, 0x12], ids=["opaque", "with alpha"])
def test_what_a_small_webp_frame_leaves_free_is_white(flags: int) -> None:
    frame = saved(Image.new("RGB", (4, 2), (200, 0, 0)), "WEBP", lossless=True)[12:]
    header = b"".join(number.to_bytes(3, "little") for number in (3, 1, 3, 1, 100)) + b"\0"
    chunks = [(b"VP8X", bytes([flags, 0, 0, 0, 11, 0, 0, 8, 0, 0])), (b"ANIM", bytes(6)), (b"ANMF", header + frame)]
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(data)) + data for name, data in chunks)
    expected = np.full((9, 12, 3), WHITE, np.uint8)
    expected[2:4, 6:10] = (200, 0, 0)
    assert np.array_equal(decode(b"RIFF" + struct.pack("<I", len(body)) + body), expected)


def test_pictures_decoded_in_threads_are_the_pictures_decoded_alone(data: Path) -> None:
    photos = [photo.read_bytes() for photo in sorted((data / "bad-images" / "exif-orientation").glob("*.jpg"))[:6]]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(decode, photos))
    assert all(np.array_equal(one, decode(photo)) for one, photo in zip(threaded, photos, strict=True))


def test_a_folder_may_hold_pictures_that_a_request_may_not() -> None:
    panorama = saved(Image.new("1", (12_000, 8_000), 1), "PNG")
    assert decode(panorama, FOLDER_LIMITS).shape == (8_000, 12_000, 3)
    with pytest.raises(InvalidImage, match="12000x8000 pixels and the limit is 50,000,000"):
        decode(panorama)


def test_a_crop_is_cut_from_the_upright_picture(scene: NDArray[np.uint8]) -> None:
    data = saved(Image.fromarray(as_stored(scene, 6)), "PNG", exif=exif(6))
    part = decode(data, crop=Box(x=3, y=50, width=20, height=21))
    assert np.array_equal(part, scene[50:71, 3:23])
    assert part.flags.c_contiguous


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        (Box(0, 0, WIDTH, HEIGHT), slice(0, HEIGHT), slice(0, WIDTH)),
        (Box(0.5, 1.49, 2, 2), slice(1, 3), slice(1, 3)),
        (Box(-0.5, -0.5, WIDTH + 1, HEIGHT + 1), slice(0, HEIGHT), slice(0, WIDTH)),
        (Box(10.2, 20.2, 0.1, 0.1), slice(20, 21), slice(10, 11)),
        (Box(WIDTH - 0.2, HEIGHT - 0.2, 0.5, 0.5), slice(HEIGHT - 1, HEIGHT), slice(WIDTH - 1, WIDTH)),
    ],
)
def test_crop_edges_are_rounded_and_leave_a_pixel(
    box: Box, rows: slice, columns: slice, scene: NDArray[np.uint8]
) -> None:
    assert np.array_equal(box.of(scene), scene[rows, columns])


@pytest.mark.parametrize(
    "box",
    [
        Box(0, 0, 0, 5),
        Box(0, 0, 5, -1),
        Box(-0.6, 0, 5, 5),
        Box(0, 0, WIDTH + 0.6, 5),
        Box(0, HEIGHT - 4, 5, 5),
        Box(1e308, 1e308, 1e308, 1e308),
        Box(float("nan"), 0, 5, 5),
        Box(0, 0, float("inf"), 5),
    ],
)
def test_a_box_that_is_no_part_of_the_picture_is_refused(box: Box, scene: NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidCrop, match=f"picture of {WIDTH}x{HEIGHT} pixels"):
        decode(saved(Image.fromarray(scene), "PNG"), crop=box)


def test_thumbnails_are_small_alike_and_the_same_each_time(data: Path) -> None:
    photo = (data / "bad-images" / "exif-orientation" / "Landscape_6.jpg").read_bytes()
    pixels = decode(photo)
    small = thumbnail(pixels)
    assert small == thumbnail(pixels.copy())
    assert len(small) < 20_000
    shown = decode(small)
    assert shown.shape == (128, 192, 3)
    reference = np.asarray(Image.fromarray(pixels).resize(shown.shape[1::-1], Image.Resampling.BICUBIC))
    assert np.abs(shown.astype(int) - reference).mean() < 6


@pytest.mark.parametrize(("shape", "expected"), [((100, 50), (100, 50)), ((1, 3000), (1, 192)), ((3000, 1), (192, 1))])
def test_a_thumbnail_never_grows_and_never_vanishes(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert decode(thumbnail(np.zeros((*shape, 3), np.uint8))).shape[:2] == expected
