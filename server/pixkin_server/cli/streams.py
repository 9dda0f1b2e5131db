"""The standard streams of a command: they are there, and stdout says when it takes no more."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

STDIN, STDOUT, STDERR = 0, 1, 2


class ResultsLost(Exception):
    """Stdout took no more of the results. `reader_left` tells whether its reader closed it, as `head` does."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"stdout took no more of the results: {error.strerror}")
        self.reader_left = isinstance(error, BrokenPipeError)


class _Results(io.FileIO):
    # Not an OSError: click would end the process by itself for a closed pipe, and a caller could take it for its own.
    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise ResultsLost(error) from None


def prepare_streams() -> None:
    """Stand in for streams that the caller closed, and take any file name as text.

    The first file that is opened would take the number of a closed stream, and a database would get what is printed.
    """
    for number in (STDIN, STDOUT, STDERR):
        _occupy(number)
    if sys.stdout is sys.__stdout__:  # a caller in the same process may have its own
        raw = io.BufferedWriter(_Results(STDOUT, "w", closefd=False))
        sys.stdout = io.TextIOWrapper(raw, encoding=getattr(sys.stdout, "encoding", "utf-8"))
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(STDERR, "w", closefd=False), write_through=True)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def forget_results() -> None:
    """Drop what stdout still holds, so that the end of the process does not try to write it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)


def _occupy(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        # A stdout that only reads fails when results are printed, and not where there are none.
        os.open(os.devnull, os.O_WRONLY if number == STDERR else os.O_RDONLY)
