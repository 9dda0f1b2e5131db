from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pixkin_proto.errors import LEAVES, PixkinError
from pixkin_server.api import ExtractorChoice
from pixkin_server.engine import Engine
from pixkin_server.folders import Report, add_pictures, walk
from pixkin_server.http.settings import DEFAULT_ADDRESS
from pixkin_server.http.statuses import status_of

DOCS = Path(__file__).parents[3] / "docs"


def commands() -> list[str]:
    """The commands of docs/http.md in their order, each on one line."""
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / "http.md").read_text(), re.DOTALL)
    return [command for block in blocks for command in re.split(r"\n(?=curl|printf)", block.strip())]


def test_every_error_is_documented_with_its_status() -> None:
    rows = dict(re.findall(r"^\| ([A-Z_]+) \| [A-Z_]+ \| ([0-9]+) \|", (DOCS / "errors.md").read_text(), re.MULTILINE))
    assert rows == {reason: str(status_of(leaf.rebuild(reason, "", {}))) for reason, leaf in LEAVES.items()}
    assert all(issubclass(leaf, PixkinError) for leaf in LEAVES.values())


@pytest.mark.slow
def test_the_commands_of_the_guide_do_what_it_says(
    start: Callable[..., Any], extractors: Path, photos: Path, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl to run the commands with")
    shutil.copy(photos / "red/1.jpg", tmp_path / "holiday.jpg")
    with Engine(str(tmp_path / "store"), extractors=extractors) as engine:
        engine.create("photos", [ExtractorChoice("efficientnet-lite0")])
        add_pictures(engine, "photos", walk(photos, labels_from_folders=True), Report(), root=str(photos))
    assert len(commands()) == 13
    with start(tmp_path / "store", extractors, "--allow-writes") as served:
        for command in commands():
            here = command.replace(f"http://{DEFAULT_ADDRESS}", served.page).replace(
                "curl ", "curl -sS --fail-with-body "
            )
            ran = subprocess.run(["sh", "-c", here], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, (command, ran.stdout, ran.stderr)
            for line in ran.stdout.splitlines():
                assert "reason" not in json.loads(line)
    assert (tmp_path / "thumbnail.jpg").read_bytes().startswith(b"\xff\xd8\xff")
