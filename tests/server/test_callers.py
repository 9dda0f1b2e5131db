"""Work for callers who have left: what has not begun never does."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pixkin_proto.errors import Deadline
from pixkin_server import engine as engine_module
from pixkin_server.calls import Calls
from pixkin_server.engine import Engine
from pixkin_server.waiting import wait


class Context:
    """A gRPC call with as much time as there is."""

    def time_remaining(self) -> None:
        """Return what a call without a deadline says."""


def test_pictures_of_callers_who_left_are_not_decoded(
    extractors: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = (photos / "red/0.jpg").read_bytes()
    go, begun, decode = threading.Event(), [], engine_module.decode

    def slow(*args: Any, **options: Any) -> Any:
        begun.append(args)
        assert go.wait(60)
        return decode(*args, **options)

    monkeypatch.setattr(engine_module, "decode", slow)
    calls = Calls()
    with Engine(str(tmp_path / "store"), extractors=extractors, device="cpu") as engine:
        engine._decoding = ThreadPoolExecutor(1)

        async def leave_all() -> None:
            embeds = [
                asyncio.ensure_future(calls.run(Context(), engine.embed, image, extractor="hsv-histogram"))
                for _ in range(12)
            ]
            while not begun or engine._decoding._work_queue.qsize() < 11:  # noqa: ASYNC110  # threads have no asyncio.Event
                await asyncio.sleep(0.01)
            for embed in embeds:
                embed.cancel()
            await asyncio.gather(*embeds, return_exceptions=True)
            go.set()
            while calls.waiting:  # noqa: ASYNC110  # the same
                await asyncio.sleep(0.01)

        asyncio.run(asyncio.wait_for(leave_all(), 60))
        assert len(begun) == 1
        assert engine.embed(image, extractor="hsv-histogram").vectors
    calls.close()


def test_work_that_was_cancelled_is_a_deadline_and_not_an_internal_error() -> None:
    future: Future[int] = Future()
    future.cancel()
    with pytest.raises(Deadline):
        wait(future, time.monotonic() + 30, "decode")
