"""What a forked process may still do: it has none of its parent's threads, and GNU OpenMP ends one that scans again."""

from __future__ import annotations

import os
import sys

from pixkin_proto.errors import ForkedProcess

_scanned_before = False


def check_owner(pid: int) -> None:
    """Raise ForkedProcess unless this is the process `pid`, whose threads the work needs."""
    if os.getpid() != pid:
        raise ForkedProcess("this engine was opened by the parent of this process, and its threads stayed there")


def check_scans() -> None:
    """Raise ForkedProcess where a scan would end the process, as its parent had scanned before it forked."""
    if _scanned_before:
        raise ForkedProcess("the parent of this process had searched before it forked, and a search here would end it")


def _remember() -> None:
    global _scanned_before  # noqa: PLW0603  # of the process, as a fork is
    _scanned_before = _scanned_before or _threading_layer() == "omp"


def _threading_layer() -> str:
    """Return what runs numba's threads; empty when none has been started."""
    numba = sys.modules.get("numba")
    try:
        return str(numba.threading_layer()) if numba else ""
    except ValueError:
        return ""


os.register_at_fork(after_in_child=_remember)
