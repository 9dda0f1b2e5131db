"""The service in this process and through a server, and what evaluations ask of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pixkin_server.api import Service
from pixkin_server.engine import Engine


class Listening:
    """A service that notes what was asked of it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.plans: list[Any] = []
        self.embedded: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    def search(self, collection: str, queries: Any, plan: Any) -> Any:
        """Note the plan, and search."""
        self.plans.append(plan)
        return self._service.search(collection, queries, plan)

    def embed(self, image: bytes, *, extractor: str, crop: Any) -> Any:
        """Note the extractor, and encode."""
        self.embedded.append(extractor)
        return self._service.embed(image, extractor=extractor, crop=crop)


@pytest.fixture(params=["engine", "client"])
def service(request: pytest.FixtureRequest, store: Path, extractors: Path) -> Iterator[Listening]:
    """The engine on the store, or a client of the server over it."""
    if request.param == "client":
        yield Listening(request.getfixturevalue("client"))
        return
    with Engine(str(store), extractors=extractors, device="cpu") as engine:
        yield Listening(engine)
