"""How the libraries' threads share the cores of a process that is pixkin's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sharing_cores() -> Iterator[None]:
    """Keep idle threads of OpenMP and BLAS from spinning on the cores that others need.

    OpenMP (numba's scans) sleeps between two scans in place of spinning, which made a search by vector 1.3 times faster
    on two cores; it reads its setting once, so that this comes before the first scan. BLAS has one thread, since more
    that spin beside numba's cost 2 to 3 times. Settings of the user stay.
    """
    from threadpoolctl import threadpool_limits

    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    with threadpool_limits(1, user_api="blas"):
        yield
