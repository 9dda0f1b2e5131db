"""A store that tests search and do not write to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from pixkin_scoring.stores import Store, open_store

from tests.scoring.collections_of_vectors import fill

MANY = 1300
"""More than any stage looks at unless told to."""


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An embedded store with the collection `many`."""
    with closing(open_store(str(tmp_path_factory.mktemp("searched") / "store"))) as store:
        fill(store, "many", MANY)
        yield store
