from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from pixkin_server.api import ExtractorChoice
from pixkin_server.engine import Engine
from pixkin_server.folders import Report, add_pictures, walk

README = Path(__file__).parents[2] / "README.md"


def test_the_python_of_the_readme_runs_as_it_stands(
    extractors: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIXKIN_HOME", str(tmp_path))
    shutil.copytree(extractors, tmp_path / "extractors")
    shutil.copy(photos / "red/0.jpg", "holiday.jpg")
    with Engine("./pixkin.store") as engine:
        engine.create("photos", [ExtractorChoice("efficientnet-lite0")])
        add_pictures(engine, "photos", walk(photos), Report(), root=str(photos))
    [snippet] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(snippet, "README.md", "exec"), {})  # noqa: S102  # our own document
    assert capsys.readouterr().out.startswith("1 red/0.jpg 1.0\n2 red/")
