"""Files of weights for networks of PyTorch."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from pixkin_embedding.bundle import read_extractor
from pixkin_export.exporting import export_model
from pixkin_export.origins import file_sha256
from pixkin_export.sources.options import SourceOptions
from pixkin_export.sources.torch_weights import read_tensors
from pixkin_proto.errors import InvalidExtractor
from safetensors.torch import save_file

NAME = "timm:test_resnet.r160_in1k"
Tensors = dict[str, torch.Tensor]
WRITERS: dict[str, Callable[[Tensors, Path], None]] = {
    "weights.safetensors": save_file,
    "weights.pth": torch.save,
    "legacy.pth": lambda tensors, path: torch.save(tensors, path, _use_new_zipfile_serialization=False),
    "checkpoint.pth": lambda tensors, path: torch.save({"epoch": 3, "state_dict": tensors}, path),
    "parallel.pth": lambda tensors, path: torch.save({f"module.{key}": each for key, each in tensors.items()}, path),
    "averaged.pth": lambda tensors, path: torch.save({"state_dict_ema": tensors, "state_dict": {}}, path),
}


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """Weights of a small network, drawn from other random numbers than those of --random-weights."""
    with torch.random.fork_rng():
        torch.manual_seed(99)
        return dict(timm.create_model("test_resnet").state_dict())


def export(path: Path, directory: Path, name: str = NAME) -> Path:
    return export_model(name, directory=directory, options=SourceOptions(weights=path, size=64))


@pytest.fixture(scope="module")
def fingerprint(tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the extractor that these weights make."""
    folder = tmp_path_factory.mktemp("weights")
    save_file(tensors, folder / "weights.safetensors")
    return read_extractor(export(folder / "weights.safetensors", folder))[0].fingerprint


@pytest.mark.parametrize("file", WRITERS)
def test_the_same_weights_make_the_same_extractor_whatever_holds_them(
    file: str, tensors: Tensors, fingerprint: str, tmp_path: Path
) -> None:
    WRITERS[file](tensors, tmp_path / file)
    extractor, content = read_extractor(export(tmp_path / file, tmp_path))
    assert extractor.fingerprint == fingerprint
    assert not extractor.untrained
    assert extractor.provenance["source"].endswith("; weights from a file")
    assert extractor.provenance["weights_sha256"] == file_sha256(tmp_path / file)
    assert str(tmp_path).encode() not in content


def refused(path: Path, directory: Path, name: str = NAME) -> str:
    """Return what is said against a file, which must be one line and leave nothing behind."""
    with pytest.raises(InvalidExtractor) as error:
        export(path, directory / "out", name)
    assert "\n" not in error.value.message
    assert str(path) in error.value.message
    assert not (directory / "out").exists()
    return error.value.message


@pytest.mark.parametrize("file", ["weights.safetensors", "weights.pth"])
def test_weights_of_another_architecture_are_refused_by_the_names_of_their_tensors(
    file: str, tensors: Tensors, tmp_path: Path
) -> None:
    WRITERS[file](tensors, tmp_path / file)
    said = refused(tmp_path / file, tmp_path, "timm:test_efficientnet.r160_in1k")
    assert "has the weights of another network than test_efficientnet.r160_in1k" in said
    said = refused(tmp_path / file, tmp_path, "torchvision:squeezenet1_1")
    assert "has the weights of another network than squeezenet1_1" in said


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: {key: each for key, each in tensors.items() if key != "fc.bias"},
        lambda tensors: {**tensors, "fc.more": torch.zeros(3)},
        lambda tensors: {**tensors, "fc.bias": torch.zeros(10)},
    ],
    ids=["one less", "one more", "ten classes"],
)
def test_one_tensor_that_differs_is_another_network(
    change: Callable[[Tensors], Tensors], tensors: Tensors, tmp_path: Path
) -> None:
    torch.save(change(tensors), tmp_path / "other.pth")
    assert "1 of " in refused(tmp_path / "other.pth", tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_impossible_values_are_refused(value: float, tensors: Tensors, tmp_path: Path) -> None:
    broken = tensors["fc.bias"].clone()
    broken[0] = value
    save_file({**tensors, "fc.bias": broken}, tmp_path / "broken.safetensors")
    assert "fc.bias has impossible values" in refused(tmp_path / "broken.safetensors", tmp_path)


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call that unpickling makes."""
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(
    "write",
    [
        torch.save,
        lambda canary, path: torch.save({"fc.bias": canary}, path),
        lambda canary, path: torch.save({"fc.bias": canary}, path, _use_new_zipfile_serialization=False),
        lambda canary, path: path.write_bytes(pickle.dumps(canary)),
    ],
    ids=["alone", "as a tensor", "in the older format", "as a pickle"],
)
def test_a_pickle_that_runs_a_command_is_refused_before_it_runs(
    write: Callable[[Canary, Path], None], tmp_path: Path
) -> None:
    write(Canary(tmp_path / "canary"), tmp_path / "evil.pth")
    assert refused(tmp_path / "evil.pth", tmp_path)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("file", ["weights.safetensors", "weights.pth", "legacy.pth"])
def test_a_file_that_is_cut_off_is_refused(file: str, tensors: Tensors, tmp_path: Path) -> None:
    WRITERS[file](tensors, tmp_path / file)
    whole = (tmp_path / file).read_bytes()
    for kept in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / file).write_bytes(whole[:kept])
        assert refused(tmp_path / file, tmp_path)


@pytest.mark.parametrize("saved", [[1, 2], {"epoch": 3}, {"state_dict": {"a": "b"}}, torch.zeros(3)])
def test_a_file_of_something_else_than_tensors_says_what_to_save(saved: object, tmp_path: Path) -> None:
    torch.save(saved, tmp_path / "other.pth")
    assert "save the model's state_dict() alone" in refused(tmp_path / "other.pth", tmp_path)


def test_a_whole_model_is_refused_because_it_is_more_than_its_weights(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 3), tmp_path / "model.pth")
    assert "or save the model's state_dict() alone" in refused(tmp_path / "model.pth", tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("none.pth", "none.safetensors"):
        with pytest.raises(InvalidExtractor, match=f"{name} cannot be read"):
            read_tensors(tmp_path / name)
