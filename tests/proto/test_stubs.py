from __future__ import annotations

import subprocess
from pathlib import Path

import pixkin_proto
import pytest
from pixkin_proto.v1 import collections_pb2, embedding_pb2, search_pb2, types_pb2

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "proto" / "pixkin_proto" / "v1"
GENERATOR = ROOT / ".venv-proto" / "bin" / "python"
FILES = (types_pb2, embedding_pb2, search_pb2, collections_pb2)


def test_the_committed_stubs_are_what_the_pinned_generators_write(tmp_path: Path) -> None:
    if not GENERATOR.exists():
        pytest.skip("the pinned generators are not installed; install them with: make proto")
    subprocess.run([GENERATOR, ROOT / "tests" / "proto" / "generate.py", tmp_path], check=True, capture_output=True)
    made = sorted((tmp_path / "pixkin_proto" / "v1").iterdir())
    assert len(made) == 16
    for file in made:
        assert file.read_bytes() == (SOURCE / file.name).read_bytes(), f"{file.name} is stale; run: make proto"


def test_every_message_field_service_and_value_has_a_comment() -> None:
    for file in sorted(SOURCE.glob("*.proto")):
        previous = ""
        for line in file.read_text().splitlines():
            text = line.strip()
            declares = text.endswith((";", "{", "{}")) and not text.startswith(("syntax", "package", "import", "//"))
            if declares and text not in {"}", "};"}:
                assert previous.startswith("//"), f"{file.name}: {text} has no comment"
            previous = text


def test_the_services_are_those_of_version_1() -> None:
    found = {
        f"{service.full_name}.{method.name}"
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert found == {
        *(f"pixkin.v1.Embedding.{name}" for name in ("Embed", "EmbedStream", "ListExtractors")),
        *(f"pixkin.v1.Search.{name}" for name in ("Search", "SearchBatch")),
        *(
            f"pixkin.v1.Collections.{name}"
            for name in (
                *("Create", "Describe", "List", "Drop", "Add", "Update", "Remove"),
                *("ListItems", "GetItem", "Missing", "Verify"),
            )
        ),
    }


def test_the_rooms_are_typed_packages() -> None:
    assert (Path(pixkin_proto.__file__).parent / "py.typed").exists()
