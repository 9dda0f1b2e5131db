from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from pixkin_proto.errors import InvalidArgument
from pixkin_server.vectors import declare, export_vectors, read_ids, read_vectors

ROWS = np.random.default_rng(8).normal(size=(300, 7)).astype(np.float32)


def fvecs(rows: np.ndarray) -> bytes:
    return b"".join(np.int32(len(row)).tobytes() + row.astype("<f4").tobytes() for row in rows)


def test_fvecs_are_read_as_their_definition_writes_them(tmp_path: Path) -> None:
    (tmp_path / "v.fvecs").write_bytes(fvecs(ROWS))
    assert np.array_equal(read_vectors(tmp_path / "v.fvecs"), ROWS)


@pytest.mark.parametrize("kind", ["npy", "fvecs", "NPY"])
def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path, kind: str) -> None:
    odd = ROWS.copy()
    odd[0, :4] = (np.float32(-0.0), np.float32(1e-45), np.float32(1e15), np.float32(0.1))
    file, names = tmp_path / f"v.{kind}", tmp_path / "v.txt"
    ids = [f"ünï {number}" for number in range(300)]
    blocks = [(ids[:256], odd[:256]), (ids[256:], odd[256:])]
    assert export_vectors(iter(blocks), dim=7, vectors=file, ids=names) == 300
    assert read_vectors(file).tobytes() == odd.tobytes()
    assert read_ids(names) == ids
    if kind == "fvecs":
        assert file.read_bytes() == fvecs(odd)
    else:
        assert np.load(file).tobytes() == odd.tobytes()


def test_an_export_that_fails_leaves_the_old_files(tmp_path: Path) -> None:
    (tmp_path / "v.npy").write_text("old")

    def blocks() -> object:
        yield ["a"], ROWS[:1]
        raise OSError(28, "No space left on device")

    with pytest.raises(InvalidArgument, match="No space left"):
        export_vectors(blocks(), dim=7, vectors=tmp_path / "v.npy", ids=tmp_path / "v.txt")  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["v.npy"]
    assert (tmp_path / "v.npy").read_text() == "old"


@pytest.mark.parametrize("dtype", ["<f2", "<f8", ">f4", "<i4", "|u1"])
def test_numbers_of_any_kind_are_read(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "v.npy", np.arange(6).reshape(2, 3).astype(dtype))
    assert np.asarray(read_vectors(tmp_path / "v.npy"), np.float32).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_what_holds_no_vectors_is_refused(tmp_path: Path) -> None:
    arrays = {
        "flat": np.ones(5), "deep": np.ones((2, 2, 2)), "none": np.ones((0, 5)), "text": np.array([["a", "b"]]),
        "complex": np.ones((2, 2), complex), "bool": np.ones((2, 2), bool),
    }  # fmt: skip
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(InvalidArgument, match="vectors are numbers of shape"):
            read_vectors(tmp_path / f"{name}.npy")


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.target,))


def test_pickles_are_refused_and_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([[Trap(tmp_path / "sprung")]], dtype=object), allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    np.savez(tmp_path / "zip.npz", ROWS)
    (tmp_path / "zip.npz").rename(tmp_path / "zip.npy")
    for name in ("objects", "pickle", "zip"):
        with pytest.raises(InvalidArgument):
            read_vectors(tmp_path / f"{name}.npy")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"abc", fvecs(ROWS)[:-4], fvecs(ROWS)[:-1], fvecs(ROWS)[:31], fvecs(ROWS[:1]) + fvecs(ROWS[:1, :6]),
        np.int32(0).tobytes(), np.int32(-3).tobytes() * 8, np.int32(2**31 - 1).tobytes() * 4,
        fvecs(ROWS[:1, :3]) + fvecs(ROWS[:1, :1]) + fvecs(ROWS[:1, :1]),
    ],
)  # fmt: skip
def test_cut_off_and_ragged_fvecs_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.fvecs").write_bytes(content)
    with pytest.raises(InvalidArgument):
        read_vectors(tmp_path / "v.fvecs")


def test_cut_off_npy_and_other_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", ROWS)
    (tmp_path / "v.npy").write_bytes((tmp_path / "v.npy").read_bytes()[:-4])
    (tmp_path / "v.csv").write_text("1,2\n")
    for file in (tmp_path / "v.npy", tmp_path / "v.csv", tmp_path / "none.npy", tmp_path):
        with pytest.raises(InvalidArgument):
            read_vectors(file)


def test_ids_are_lines_whatever_ends_them_and_whatever_else_breaks_lines_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_bytes("\ufeffa\r\nb\u2028c\r\nd d\x85".encode())
    assert read_ids(tmp_path / "ids.txt") == ["a", "b\u2028c", "d d\x85"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a\n\nb\n", "line 2 of"), (b"a\nb\n\n", "line 3 of"), (b"", "line 1 of"), (b"a\nb\na\n", "lines 1 and 3 of"),
        (b"a\n\xff\n", "cannot be read as ids"),
    ],
)  # fmt: skip
def test_empty_lines_and_repeated_ids_are_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "ids.txt").write_bytes(content)
    with pytest.raises(InvalidArgument) as raised:
        read_ids(tmp_path / "ids.txt")
    assert said in raised.value.message


def test_a_component_below_zero_anywhere_makes_the_descriptor_signed() -> None:
    rows = np.abs(ROWS)
    assert declare("x", rows, "chi2").non_negative
    rows[280, 3] = -1e-30
    assert not declare("x", rows, "cosine").non_negative
    rows[0, 0] = np.nan
    assert not declare("x", rows, "cosine").non_negative
    rows[280, 3] = 0
    assert declare("x", rows, "chi2").non_negative
    assert declare("x", rows, "chi2").dim == 7
