"""What signals mean to a server: when it is to stop, whether others have to notice first, and whether to hurry."""

from __future__ import annotations

import asyncio
import signal

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Stopping:
    """The end of a server as its signals have it.

    SIGTERM and SIGHUP may come from those who also have to send its callers elsewhere, and give them time. Ctrl-C comes
    from somebody who waits and gives none; one more, or one while the server stops, ends calls in flight too. A SIGHUP
    that is ignored, as under nohup, stays ignored.
    """

    def __init__(self) -> None:
        self.wanted = asyncio.Event()
        self.hurried = asyncio.Event()
        self.drains = False

    def listen(self) -> None:
        """Take the signals of this process from now on; called in its event loop."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self.hear, number)

    def hear(self, number: int) -> None:
        """Note a signal."""
        if not self.wanted.is_set():
            self.drains = number != signal.SIGINT
            self.wanted.set()
        elif number == signal.SIGINT:
            self.hurried.set()

    async def pause(self, seconds: float) -> None:
        """Wait for so many seconds, or until there is a hurry."""
        try:
            async with asyncio.timeout(seconds):
                await self.hurried.wait()
        except TimeoutError:
            return
