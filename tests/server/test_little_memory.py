"""Processes that may have little memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from pixkin_proto.errors import OutOfMemory
from pixkin_server.faults import known_error

MIB = 2**20


@pytest.mark.parametrize("mebibytes", [300, 420, 475, 600])
def test_a_command_without_enough_memory_says_so(store: Path, extractors: Path, photos: Path, mebibytes: int) -> None:
    command = ["search", "photos", photos / "red/0.jpg", "--descriptor", "gap", "--timeout", "20"]
    ran = subprocess.run(
        [sys.executable, "-m", "pixkin_server", *command, "--store", store, "--extractors", extractors],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (mebibytes * MIB, mebibytes * MIB)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode in (0, 1), ran.stderr  # how much a library takes differs from machine to machine
    if ran.returncode:
        assert ran.stderr.splitlines()[-1].endswith("[OUT_OF_MEMORY]")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 64.0 MiB"),
        RuntimeError("can't start new thread"),
        OSError(12, "Cannot allocate memory"),
        ImportError("libx.so: failed to map segment from shared object"),
    ],
)
def test_missing_memory_is_no_internal_error(error: Exception) -> None:
    assert isinstance(known_error(error), OutOfMemory)
    caused = ValueError("could not load a library")
    caused.__cause__ = error
    assert isinstance(known_error(caused), OutOfMemory)


def test_an_error_that_was_caused_by_itself_is_read_to_its_end() -> None:
    error = ValueError("x")
    error.__context__ = KeyError("y")
    error.__context__.__context__ = error
    assert not isinstance(known_error(error), OutOfMemory)
