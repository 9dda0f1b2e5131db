"""The document says what the server does: it is valid, complete, and nothing that fits it makes the server fail."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from openapi_spec_validator import validate
from pixkin_proto.errors import LEAVES, PixkinError
from pixkin_server.http.comments import comments
from pixkin_server.http.openapi import document
from pixkin_server.http.others import OTHERS
from pixkin_server.http.routes import ROUTES
from pixkin_server.http.statuses import status_of
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@schemathesis.serializer("application/x-ndjson")
def lines(_context: Any, value: Any) -> bytes:
    """Send generated text as it is, which is hardly ever JSON."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


schema = schemathesis.openapi.from_dict(document())
schema.config.generation.update(modes=[schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE])


def test_the_document_is_valid() -> None:
    validate(document())


@pytest.mark.slow
def test_the_document_is_served(web: httpx.Client) -> None:
    assert web.get("/v1/openapi.json").json() == document()


def test_the_document_has_every_route() -> None:
    declared = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}
    assert declared == {(route.method, route.path) for route in ROUTES} | {("GET", other.path) for other in OTHERS}


def test_everything_in_the_proto_files_says_what_it_is() -> None:
    assert [name for name, comment in comments().items() if not comment] == []
    texts = {**document()["components"]["schemas"]}
    assert [
        (name, field)
        for name, each in texts.items()
        for field, about in each["properties"].items()
        if not about["description"]
    ] == []


@pytest.mark.parametrize("reason", LEAVES)
def test_every_reason_is_documented_with_its_status(reason: str) -> None:
    status = str(status_of(PixkinError.rebuild(reason, "", {})))
    response = document()["components"]["responses"][status]
    assert reason in response["description"].replace(",", "").split()


@pytest.fixture(scope="module")
def base_url(
    start: Callable[..., Any], store: Path, extractors: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where the generated requests go: a server that takes writes, too."""
    place = tmp_path_factory.mktemp("fuzzed") / "store"
    shutil.copytree(store, place)
    with start(place, extractors, "--allow-writes") as served:
        yield served.page
        assert served.alive
        assert not [line for line in served.log if "internal error" in line or "Traceback" in line]


FUZZING = settings(
    max_examples=50,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


def check(case: Any, base_url: str) -> None:
    if case.headers:
        case.headers.pop("X-Request-Timeout", None)  # of a tiny fraction of a second, 504 is the right answer
    case.validate_response(case.call(base_url=base_url), checks=CHECKS)


@pytest.mark.slow
@schema.parametrize()
@FUZZING
def test_nothing_that_is_sent_makes_the_server_fail(case: Any, base_url: str) -> None:
    check(case, base_url)


@pytest.mark.slow
@schema.include(path_regex="collection|search").exclude(method="DELETE").parametrize()
@FUZZING
def test_nothing_that_is_sent_to_a_collection_that_is_there_makes_the_server_fail(case: Any, base_url: str) -> None:
    for holder in (case.path_parameters, case.body):
        if isinstance(holder, dict):
            holder.update({key: "vectors" for key in ("collection", "name") if key in holder})
    check(case, base_url)
