from __future__ import annotations

import subprocess
import sys

UNWRITABLE = """
import numba.core.caching as caching

def refused(self):
    raise OSError("read-only")

caching._CacheLocator.ensure_cache_path = refused
import numpy as np
from pixkin_scoring.scan import Columns, top
from pixkin_scoring.query import ScoringQuery

vectors = np.eye(200, 4, dtype=np.float32)
found = top(Columns.of([f"{i:03}" for i in range(200)], vectors), ScoringQuery("d", "euclidean", np.eye(4)[1]), 1)
print(found.ids, caching._CacheLocator.ensure_cache_path is refused)
"""


def test_kernels_run_where_no_cache_can_be_written() -> None:
    # The locators are patched because a test that runs as root can write anywhere.
    done = subprocess.run([sys.executable, "-c", UNWRITABLE], capture_output=True, text=True, check=True)
    assert done.stdout == "['001'] True\n"
