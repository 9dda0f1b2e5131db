from __future__ import annotations

import pytest
from pixkin_proto.loopback import is_loopback


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "a.localhost", "localhost.", "127.0.0.1", "127.9.9.9", "::1", "[::1]",
     "::ffff:127.0.0.1"],
)  # fmt: skip
def test_what_is_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "example.org", "localhost.example.org", "10.0.0.1", "1127.0.0.1", "[2001:db8::1]"]
)
def test_what_is_another_machine_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)
