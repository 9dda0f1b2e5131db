"""The command line as its user has it, on a store and against a server over the same store."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pixkin_server.cli import main
from pixkin_server.demo.process import running_server
from pixkin_server.opensearch_node.node import Node

_numbers = itertools.count()


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What stdout says as JSON."""
        return json.loads(self.out)


Cli = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for variable in [name for name in os.environ if name.startswith("PIXKIN_") and name != "PIXKIN_TEST_DATA"]:
        monkeypatch.delenv(variable)


@pytest.fixture
def pixkin(monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process, through the same `main` as the console script."""

    def run(*arguments: object, stdin: str = "") -> Ran:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        monkeypatch.setattr(sys, "argv", ["pixkin", *(str(argument) for argument in arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        handler = signal.getsignal(signal.SIGTERM)
        try:
            with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
                main()
        finally:
            signal.signal(signal.SIGTERM, handler)
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())
        return Ran(int(ended.value.code or 0), *texts)

    return run


@dataclass(frozen=True)
class Workplace:
    """A store that a server serves too, and its extractor directory."""

    store: Path
    extractors: Path
    address: str

    @property
    def on_store(self) -> tuple[object, ...]:
        """The options that name the store."""
        return ("--store", self.store, "--extractors", self.extractors)

    @property
    def on_server(self) -> tuple[object, ...]:
        """The options that name the server."""
        return ("--server", self.address)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory, extractors: Path) -> Iterator[Workplace]:
    """A store for collections that tests write, and a server over it."""
    store = tmp_path_factory.mktemp("workplace") / "store"
    with running_server(str(store), extractors=extractors, device="cpu", writes=True) as address:
        yield Workplace(store, extractors, address)


@pytest.fixture(params=["store", "server"])
def where(request: pytest.FixtureRequest, workplace: Workplace) -> tuple[object, ...]:
    """The options that name the store, or the server over it."""
    return workplace.on_store if request.param == "store" else workplace.on_server


@pytest.fixture(scope="session")
def cluster(nodes: Callable[[str], Node]) -> str:
    """The URL of an OpenSearch with k-NN."""
    return nodes("2.19.1").url


@pytest.fixture
def on_cluster(cluster: str, extractors: Path) -> tuple[object, ...]:
    """The options that name the cluster as the store."""
    return ("--store", cluster, "--extractors", extractors)


@pytest.fixture(scope="session")
def over_cluster(cluster: str, extractors: Path) -> Iterator[tuple[object, ...]]:
    """The options that name a server over the cluster."""
    with running_server(cluster, extractors=extractors, device="cpu", writes=True) as address:
        yield ("--server", address)


@pytest.fixture
def name() -> str:
    """A collection name that no other test uses."""
    return f"c{next(_numbers)}"


@pytest.fixture
def made(pixkin: Cli, name: str, where: tuple[object, ...]) -> str:
    """An empty collection of colour histograms."""
    assert pixkin("index", "create", name, "--extractor", "hsv-histogram", *where).status == 0
    return name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with red/a.jpg, red/b.jpg, blue/a.jpg and top.png, none alike."""
    root = tmp_path / "pictures"
    for number, relative in enumerate(("red/a.jpg", "red/b.jpg", "blue/a.jpg", "top.png")):
        draw_picture(root / relative, number)
    return root


def draw_picture(path: Path, seed: int) -> Path:
    """Write a small picture of noise around a colour of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 200, 3) + draw.integers(0, 55, (24, 32, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def draw() -> Callable[[Path, int], Path]:
    """Write a small picture of noise; each seed gives another one."""
    return draw_picture


@pytest.fixture
def ids(pixkin: Cli, where: tuple[object, ...]) -> Callable[[str], dict[str, Any]]:
    """List a collection's items by id, as `index list --json` prints them."""

    def listed(collection: str) -> dict[str, Any]:
        ran = pixkin("index", "list", collection, "--json", *where)
        assert ran.status == 0
        return {item["id"]: item for item in map(json.loads, ran.out.splitlines())}

    return listed
