"""The end of a server's process, which no thread can put off."""

from __future__ import annotations

import logging
import os
import threading

log = logging.getLogger("pixkin.server")


def end_within(seconds: float) -> None:
    """End this process with status 0 after `seconds`, unless it has ended by then.

    Python waits for its threads, and code below it, such as a network that never comes to an end, cannot be stopped.
    What was acknowledged is stored all the same.
    """
    timer = threading.Timer(seconds, _end, (seconds,))
    timer.daemon = True
    timer.start()


def _end(seconds: float) -> None:
    log.warning("something still runs after %g s; the process ends without it", seconds)
    logging.shutdown()
    os._exit(0)
