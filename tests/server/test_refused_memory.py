"""A refused picture leaves nothing behind: no memory, and no cycle that only a full garbage collection takes apart.

Garbage collection is off here, so that what a cycle keeps stays.
"""

from __future__ import annotations

import base64
import gc
import logging
import os
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from pixkin_embedding.encoder import Encoder
from pixkin_proto.errors import InvalidImage, PixkinError
from pixkin_server.api import ExtractorChoice, NewItem, Query
from pixkin_server.client import Client
from pixkin_server.engine import Engine

MIB = 2**20
ROOM = 150 * MIB
SIDE = 500  # in pixels 0.75 MB, so that a thousand that stay are seen
HISTOGRAM = "hsv-histogram"
WITHOUT_COLLECTION = ("-c", "import gc; gc.disable(); from pixkin_server.__main__ import main; main()")
Way = Callable[[bytes], Any]


def damaged(kind: str, **options: object) -> bytes:
    """The first half of a picture; its decoder gives up after it has taken memory for all of the pixels."""
    out = BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((SIDE, SIDE)).save(out, kind, **options)
    half = out.getvalue()[: out.tell() // 4 * 2]
    if kind == "WebP":  # its sizes must fit, or it is refused for them
        riff, chunk = ((len(half) - start).to_bytes(4, "little") for start in (8, 20))
        half = half[:4] + riff + half[8:16] + chunk + half[20:]
    return half


DAMAGED = {
    "JPEG": damaged("JPEG"),
    "PNG": damaged("PNG"),
    "WebP": damaged("WebP"),
    "WebP without loss": damaged("WebP", lossless=True),
    "GIF": damaged("GIF"),
    "BMP": damaged("BMP"),
}


@pytest.fixture(scope="module")
def uncollected(start: Any, store: Path, extractors: Path) -> Iterator[Any]:
    """A server that never collects garbage."""
    with start(store, extractors, "--allow-writes", program=WITHOUT_COLLECTION) as server:
        yield server


@pytest.fixture
def ways(uncollected: Any) -> Iterator[list[Way]]:
    """The ways into the server that a picture can take; each must refuse it."""
    with Client(uncollected.address) as client, httpx.Client(trust_env=False, timeout=60) as web:

        def over_http(image: bytes) -> None:
            request = {"image": base64.b64encode(image).decode(), "extractor": HISTOGRAM}
            reply = web.post(f"{uncollected.page}/v1/embed", json=request).json()
            raised(PixkinError.rebuild(reply["reason"], reply["message"], {}) if "reason" in reply else None)

        yield [
            lambda image: client.embed(image, extractor=HISTOGRAM),
            lambda image: client.search("photos", [Query(image=image)]),
            lambda image: raised(client.add("photos", [NewItem("damaged", image=image)])[0].error),
            over_http,
        ]


def raised(error: PixkinError | None) -> None:
    if error is not None:
        raise error


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    status = Path(f"/proc/{pid}/statm")
    if not status.exists():
        pytest.skip("the memory of another process is read from /proc")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def refuse(each: tuple[Way, bytes]) -> None:
    way, image = each
    with pytest.raises(InvalidImage):
        way(image)


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_thousand_refused_pictures_of_a_format_leave_no_memory_behind(
    kind: str, ways: list[Way], uncollected: Any
) -> None:
    work = [(way, DAMAGED[kind]) for way in islice(cycle(ways), 1000)]
    with ThreadPoolExecutor(8) as callers:
        list(callers.map(refuse, work[:100]))
        before = resident(uncollected.process.pid)
        list(callers.map(refuse, work))
    assert resident(uncollected.process.pid) - before < ROOM


@pytest.mark.slow
def test_large_pictures_leave_no_memory_behind_in_the_threads_that_read_them(uncollected: Any) -> None:
    out = BytesIO()
    Image.new("1", (7_000, 7_000), 1).save(out, "PNG")
    before = resident(uncollected.process.pid)
    with Client(uncollected.address) as client, ThreadPoolExecutor(8) as callers:
        list(callers.map(lambda _: client.embed(out.getvalue(), extractor=HISTOGRAM), range(8)))
    assert resident(uncollected.process.pid) - before < 600 * MIB


@pytest.fixture
def engine(store: Path, extractors: Path) -> Iterator[Engine]:
    """An engine in this process, without garbage collection."""
    with Engine(str(store), extractors=extractors, device="cpu") as engine:
        engine.embed(whole(), extractor=HISTOGRAM)
        gc.disable()
        try:
            yield engine
        finally:
            gc.enable()


def whole() -> bytes:
    out = BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(out, "PNG")
    return out.getvalue()


def freed(call: Callable[[], Any]) -> bool:
    """Whether the error that a call raises is gone once it has been handled, and the thread that met it is done."""
    gone = Event()
    try:
        call()
    except Exception as error:
        held = weakref.ref(error, lambda _: gone.set())
    return gone.wait(10) and held() is None


@pytest.mark.parametrize("kind", DAMAGED)
def test_an_error_of_a_damaged_picture_is_gone_once_it_is_handled(kind: str, engine: Engine) -> None:
    assert freed(lambda: engine.embed(DAMAGED[kind], extractor=HISTOGRAM))
    assert freed(lambda: engine.search("photos", [Query(image=DAMAGED[kind])]))


class OutOfMemory(Exception):
    """What a device may raise."""


def test_an_error_of_the_encoder_is_gone_once_it_is_handled(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OutOfMemory

    monkeypatch.setattr(Encoder, "encode", fail)
    monkeypatch.setattr(logging.getLogger("pixkin.encoding"), "disabled", True)  # pytest keeps what is logged
    assert freed(lambda: engine.embed(whole(), extractor=HISTOGRAM))


def test_an_error_of_a_search_is_gone_once_it_is_handled(engine: Engine) -> None:
    assert freed(lambda: engine.search("photos", [Query(id="no such item")]))


def test_an_error_of_a_damaged_extractor_is_gone_once_it_is_handled(engine: Engine, tmp_path: Path) -> None:
    whole_file = engine.directory.by_name(HISTOGRAM).read_bytes()
    (tmp_path / f"{HISTOGRAM}.onnx").write_bytes(whole_file.replace(b"Softmax", b"Hardmax").replace(b"Div", b"Mul"))
    with Engine(engine.store, extractors=tmp_path) as other:
        assert freed(lambda: other.embed(whole(), extractor=HISTOGRAM))


def test_a_refusal_that_is_kept_keeps_no_frame_of_what_failed(engine: Engine, tmp_path: Path) -> None:
    with Engine(str(tmp_path / "store"), extractors=engine.directory.path) as own:
        own.create("photos", [ExtractorChoice(HISTOGRAM)])
        [refused] = own.add("photos", [NewItem("damaged", image=DAMAGED["PNG"])])
    assert isinstance(refused.error, InvalidImage)
    assert (refused.error.__traceback__, refused.error.__context__, refused.error.__cause__) == (None, None, None)
