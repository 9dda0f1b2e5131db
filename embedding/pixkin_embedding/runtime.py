"""ONNX Runtime, imported in this one place, so that it is always told to send nothing."""

from __future__ import annotations

import importlib
import os
from typing import Any

from pixkin_proto.errors import OutOfMemory
from pixkin_proto.memory import check_address_space, lacks_memory


def onnx_runtime(part: str = "") -> Any:
    """Import ONNX Runtime, or one of its parts such as `quantization`, with its telemetry off.

    From 1.29 on it writes an identifier of the machine below the user's cache and sends events to its maker. It reads
    the variable when it is first imported, and asking it later to stop is too late. Raises ImportError without it,
    and OutOfMemory.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    check_address_space("ONNX Runtime")
    try:
        return importlib.import_module(f"onnxruntime.{part}" if part else "onnxruntime")
    except ImportError as error:
        if lacks_memory(error):
            raise OutOfMemory("loading ONNX Runtime") from error
        raise


def first_line(error: Exception) -> str:
    """Return the beginning of what a library says, on one line."""
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
