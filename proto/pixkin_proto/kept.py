"""Errors that are kept as values: of one picture among many, of one search of a batch, of a call that is over."""

from __future__ import annotations

from typing import TypeVar

E = TypeVar("E", bound=BaseException)


def without_frames(error: E) -> E:
    """Return the same error without its traceback, cause and context.

    A traceback holds every frame that the error passed through, and with it a decoder's memory and the future that
    holds the error. Such a cycle lives until a full garbage collection, which counts objects and not megabytes: one of
    a few hundred bytes kept 190 MiB of a refused picture.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
