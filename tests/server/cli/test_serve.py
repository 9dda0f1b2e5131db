from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def listening_on(*arguments: object, **settings: str) -> str:
    """Start a server, wait until it listens, and end it; returns host and port."""
    command = [sys.executable, "-m", "pixkin_server", "serve", *(str(argument) for argument in arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **settings}) as process:
        assert process.stderr
        said = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 0, said + rest
    return said.rpartition(" ")[2].strip()


@pytest.mark.slow
def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(tmp_path: Path) -> None:
    config = tmp_path / "pixkin.toml"
    config.write_text('grpc = "127.0.0.2:0"\nread-only = true\ngrace = 1.5\n')
    file = ("--config", config)
    at = ("--store", tmp_path / "store", "--create")
    assert listening_on(*at, *file, "--grpc", "127.0.0.4:0", PIXKIN_GRPC="127.0.0.3:0").startswith("127.0.0.4:")
    assert listening_on(*at, *file, PIXKIN_GRPC="127.0.0.3:0").startswith("127.0.0.3:")
    assert listening_on(*at, *file).startswith("127.0.0.2:")
    assert listening_on(*at, PIXKIN_CONFIG=str(config)).startswith("127.0.0.2:")


def test_the_default_is_loopback(pixkin: Cli) -> None:
    assert re.search(r"default:\s+127\.0\.0\.1:7475", pixkin("serve", "--help").out)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "bogus = 1",
            "has bogus; it may have: allow-untrained, allow-writes, cors-origin, create, device, drain, extractors",
        ),
        ('address = "127.0.0.1:0"', "has address"),
        ("grpc = ", "is no TOML"),
        ('grpc = "nowhere"', "is not HOST:PORT"),
        ('device = "tpu"', "tpu"),
        ('read-only = "perhaps"', "perhaps"),
        ('config = "other.toml"', "has config"),
    ],
)
def test_a_bad_file_is_one_line(pixkin: Cli, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "pixkin.toml").write_text(text)
    ran = pixkin("serve", "--config", tmp_path / "pixkin.toml", "--store", tmp_path / "store")
    assert ran.status == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", ":7475", "127.0.0.1:-1"])
def test_an_address_is_host_and_port(pixkin: Cli, address: str) -> None:
    ran = pixkin("serve", "--grpc", address)
    assert ran.status == 2
    assert "is not HOST:PORT" in ran.err


def test_an_address_of_another_machine_is_one_line(pixkin: Cli, tmp_path: Path) -> None:
    ran = pixkin("serve", "--grpc", "203.0.113.1:7475", "--create", "--store", tmp_path / "store")
    assert ran.status == 1
    assert "cannot listen on 203.0.113.1:7475" in ran.err


def test_an_address_in_use_is_one_line(pixkin: Cli, workplace: Any, tmp_path: Path) -> None:
    ran = pixkin("serve", "--grpc", workplace.address, "--create", "--store", tmp_path / "store")
    assert ran.status == 1
    assert "cannot listen on" in ran.err
    assert ran.err.count("\n") == 1


def test_a_store_that_is_not_there_is_not_served_unless_it_may_be_made(pixkin: Cli, tmp_path: Path) -> None:
    mount_point = tmp_path / "volume"
    mount_point.mkdir()
    for place in (tmp_path / "nowhere", mount_point):
        ran = pixkin("serve", "--grpc", "127.0.0.1:0", "--no-http", "--store", place)
        assert ran.status == 1
        assert f"there is no store at {place}" in ran.err
        assert "--create" in ran.err
    assert not (tmp_path / "nowhere").exists()
    assert not [*mount_point.iterdir()]
    assert listening_on("--grpc", "127.0.0.1:0", "--no-http", "--store", mount_point, "--create")
    assert listening_on("--grpc", "127.0.0.1:0", "--no-http", "--store", mount_point)
