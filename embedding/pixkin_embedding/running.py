"""One run of an ONNX graph, which has an end whatever the graph does."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from pixkin_proto.errors import InvalidExtractor, OutOfMemory, PixkinError
from pixkin_proto.memory import lacks_memory

from pixkin_embedding.runtime import first_line, onnx_runtime

RUN_SECONDS = 30.0
"""After which a run is stopped, between two nodes of its graph; the error then has the datum `stopped_after`."""


def run(session: Any, outputs: Sequence[str], inputs: Mapping[str, Any]) -> list[Any]:
    """Compute the outputs of an `onnxruntime.InferenceSession`.

    Raises InvalidExtractor when the graph fails or is not done after RUN_SECONDS, and OutOfMemory.
    """
    options = onnx_runtime().RunOptions()
    limit = threading.Timer(RUN_SECONDS, setattr, (options, "terminate", True))
    limit.daemon = True
    limit.start()
    try:
        found: list[Any] = session.run(list(outputs), dict(inputs), options)
    except Exception as error:  # ONNX Runtime raises a dozen unrelated types
        raise _failure(error, late=options.terminate) from error
    finally:
        limit.cancel()
    return found


def _failure(error: Exception, *, late: bool) -> PixkinError:
    """Return what it means that a graph did not come to its end."""
    if late:
        return InvalidExtractor(
            f"the network was stopped after {RUN_SECONDS:g} s; it has a loop without an end, or needs a smaller input "
            "or a faster machine",
            stopped_after=RUN_SECONDS,
        )
    if lacks_memory(error):
        return OutOfMemory("computing vectors")
    return InvalidExtractor(f"ONNX Runtime does not run the network: {first_line(error)}")
