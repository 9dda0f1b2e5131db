"""What names a store, and what only looks as if it did."""

from __future__ import annotations

import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_scoring.stores import open_store


@pytest.mark.parametrize("name", ["localhost:9200", "127.0.0.1:9200/x", "http:/127.0.0.1:9200", "ftp://host", ""])
def test_half_a_url_makes_no_directory(name: str) -> None:
    with pytest.raises(InvalidArgument, match="cluster by its URL"):
        open_store(name)


@pytest.mark.parametrize("name", ["pixkin.store", "./a:9", "/data/x:12"])
def test_a_path_may_have_colons(name: str) -> None:
    store = open_store(name)
    assert (store.name, store.scans_here) == (name, True)
    store.close()


def test_the_scheme_of_a_url_may_be_written_in_capitals() -> None:
    store = open_store("HTTP://127.0.0.1:1")
    assert not store.scans_here
    store.close()
