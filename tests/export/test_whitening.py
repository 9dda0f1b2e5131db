from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from pixkin_embedding.encoder import Session
from pixkin_export.graph import Graph
from pixkin_export.heads.whitening import add_whitening
from pixkin_proto.errors import InvalidArgument, PixkinError
from pixkin_proto.whitening import Whitening, read_whitening, write_whitening
from sklearn.decomposition import PCA

HERE, THERE = "a" * 64, "b" * 64
Vectors = NDArray[np.float64]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """Vectors whose directions vary unequally, (300, 12)."""
    draw = np.random.default_rng(3)
    return draw.normal(size=(300, 12)) * np.geomspace(4, 0.1, 12) @ draw.normal(size=(12, 12)) + draw.normal(size=12)


@pytest.fixture(scope="module")
def pca(vectors: Vectors) -> PCA:
    """What scikit-learn finds in them."""
    return PCA(8, svd_solver="full").fit(vectors)


@pytest.fixture(scope="module")
def whitening(pca: PCA) -> Whitening:
    """The same as a whitening."""
    return Whitening(pca.mean_, pca.components_, pca.explained_variance_, HERE, "gap")


@pytest.fixture
def file(whitening: Whitening, tmp_path: Path) -> Path:
    """Its file."""
    path = tmp_path / "gap.npz"
    write_whitening(path, whitening)
    return path


def changed(whitening: Whitening, **fields: Any) -> dict[str, Any]:
    return {**vars(whitening), **fields}


@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("dims", [1, 5, 8])
def test_the_formula_is_what_scikit_learn_computes(
    whiten: bool,  # noqa: FBT001 - pytest passes parameters by name
    dims: int, whitening: Whitening, pca: PCA, vectors: Vectors,
) -> None:  # fmt: skip
    expected = PCA(8, svd_solver="full", whiten=whiten).fit(vectors).transform(vectors)[:, :dims]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    made = whitening.applied(vectors, dims=dims, whiten=whiten)
    # A component may point either way.
    assert np.allclose(made * np.sign(made[0]), expected * np.sign(expected[0]), atol=1e-9)


@pytest.fixture(scope="module")
def run(whitening: Whitening) -> Callable[..., NDArray[np.float32]]:
    """Runs the nodes of a whitening on vectors."""

    def run(vectors: Vectors, *, dims: int = 8, whiten: bool = True) -> NDArray[np.float32]:
        graph = Graph("whitening")
        graph.name({"made": add_whitening(graph, "constant", whitening, dims=dims, whiten=whiten)})
        graph.add("Constant", output="constant", value=onnx.numpy_helper.from_array(vectors.astype(np.float32)))
        nodes = graph._nodes[-1:] + graph._nodes[:-1]
        pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ("n", "h", "w", 3))
        made = helper.make_tensor_value_info("made", TensorProto.FLOAT, ("n", dims))
        parts = helper.make_graph(nodes, "whitening", [pixels], [made], initializer=list(graph._constants.values()))
        model = helper.make_model(parts, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        session = Session(model.SerializeToString(), "cpu")
        return session.run(np.zeros((1, 1, 1, 3), np.uint8), ["made"])["made"]

    return run


@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("dims", [1, 5, 8])
def test_the_graph_computes_the_formula(
    whiten: bool,  # noqa: FBT001 - pytest passes parameters by name
    dims: int, run: Callable[..., NDArray[np.float32]], whitening: Whitening, vectors: Vectors,
) -> None:  # fmt: skip
    made = run(vectors, dims=dims, whiten=whiten)
    assert made.dtype == np.float32
    assert abs(made - whitening.applied(vectors, dims=dims, whiten=whiten)).max() < 1e-5


def test_a_vector_is_whitened_alike_alone_and_among_others(
    run: Callable[..., NDArray[np.float32]], vectors: Vectors
) -> None:
    together = run(vectors[:9])
    assert np.array_equal(together, np.concatenate([run(vectors[place : place + 1]) for place in range(9)]))


def test_the_mean_itself_becomes_zero(run: Callable[..., NDArray[np.float32]], whitening: Whitening) -> None:
    assert not run(whitening.mean[np.newaxis]).any()
    assert not whitening.applied(whitening.mean, dims=3).any()


@pytest.mark.parametrize("dims", [0, 9])
def test_dimensions_that_there_are_not_are_refused(dims: int, whitening: Whitening) -> None:
    with pytest.raises(InvalidArgument, match=f"has 8 components, and {dims} dimensions .* ask for 1 to 8"):
        add_whitening(Graph("whitening"), "pixels", whitening, dims=dims, whiten=True)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_file_is_read_as_it_was_written(kind: type, whitening: Whitening, tmp_path: Path) -> None:
    arrays = {name: getattr(whitening, name).astype(kind) for name in ("mean", "components", "eigenvalues")}
    written = Whitening(**changed(whitening, **arrays))
    write_whitening(tmp_path / "own name", written)
    read = read_whitening(tmp_path / "own name")
    assert (read.fingerprint, read.descriptor) == (HERE, "gap")
    for name, array in arrays.items():
        assert getattr(read, name).dtype == kind
        assert np.array_equal(getattr(read, name), array)


def test_the_same_whitening_gives_the_same_bytes(file: Path, whitening: Whitening, tmp_path: Path) -> None:
    write_whitening(tmp_path / "again.npz", whitening)
    assert (tmp_path / "again.npz").read_bytes() == file.read_bytes()


def test_an_unwritable_place_is_named_and_left_clean(whitening: Whitening, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidArgument, match="folder cannot be written"):
        write_whitening(tmp_path / "folder", whitening)
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_a_whitening_of_another_extractor_is_refused_with_both_fingerprints(whitening: Whitening) -> None:
    whitening.check_fits(fingerprint=HERE, descriptor="gap")
    with pytest.raises(InvalidArgument, match=rf"\({HERE[:12]}\) than this \({THERE[:12]}\)"):
        whitening.check_fits(fingerprint=THERE, descriptor="gap")


def test_a_whitening_of_another_descriptor_is_refused(whitening: Whitening) -> None:
    with pytest.raises(InvalidArgument, match="of the descriptor gap, not of logits"):
        whitening.check_fits(fingerprint=HERE, descriptor="logits")


FAULTS: dict[str, Callable[[Whitening], dict[str, Any]]] = {
    "shapes do not fit": lambda each: {"mean": each.mean[:-1]},
    "shapes do not": lambda each: {"components": each.components[0]},
    "do not fit together": lambda each: {"eigenvalues": each.eigenvalues[:3]},
    "with k <= d": lambda each: {"mean": each.mean[:4], "components": each.components[:, :4]},
    "not finite": lambda each: {"mean": np.where(each.mean == each.mean[2], np.nan, each.mean)},
    "numbers that are not": lambda each: {"components": each.components * np.inf},
    "not positive": lambda each: {"eigenvalues": each.eigenvalues * 0},
    "and descending": lambda each: {"eigenvalues": each.eigenvalues[::-1]},
    "not orthonormal": lambda each: {"components": each.components * 1.001},
    "are not orthonormal": lambda each: {"components": each.components[[0, 0, 2, 3, 4, 5, 6, 7]]},
    "neither float32 nor float64": lambda each: {"mean": each.mean.astype(np.int64)},
    "by a fingerprint": lambda each: {"fingerprint": "efficientnet-lite0"},  # noqa: ARG005 - one signature for all
    "no name of a descriptor": lambda each: {"descriptor": "../gap"},  # noqa: ARG005 - one signature for all
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_numbers_that_are_no_whitening_are_refused(fault: str, whitening: Whitening) -> None:
    with pytest.raises(PixkinError, match=fault) as raised:
        Whitening(**changed(whitening, **FAULTS[fault](whitening)))
    assert "\n" not in raised.value.message


@pytest.mark.parametrize("fault", ["and descending", "not orthonormal"])
def test_a_file_of_numbers_that_are_no_whitening_is_refused(fault: str, whitening: Whitening, tmp_path: Path) -> None:
    content = changed(whitening, **FAULTS[fault](whitening))
    digest = hashlib.sha256()
    for name in ("mean", "components", "eigenvalues", "fingerprint", "descriptor", "normalise"):
        array = np.asarray(content[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape}:".encode() + array.tobytes())
    np.savez(tmp_path / "bad.npz", **content, sha256=digest.hexdigest())
    with pytest.raises(InvalidArgument, match=rf"bad\.npz: .*{fault}"):
        read_whitening(tmp_path / "bad.npz")


def test_every_flipped_byte_of_the_arrays_is_noticed(file: Path) -> None:
    content = file.read_bytes()
    for place in range(50, len(content) - 400, 97):
        file.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        try:
            read = read_whitening(file)
        except InvalidArgument as error:
            assert "\n" not in error.message  # noqa: PT017 - some bytes, such as a date, mean nothing
        else:
            write_whitening(file, read)
            assert file.read_bytes() == content


@pytest.mark.parametrize("kept", [0, 10, 500, -1])
def test_a_part_of_a_file_is_refused(kept: int, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(InvalidArgument, match=r"gap\.npz is no file of a whitening, or a damaged one"):
        read_whitening(file)


def test_an_edited_file_is_refused(file: Path) -> None:
    with np.load(file) as there:
        content = dict(there)
    np.savez(file, **{**content, "mean": content["mean"] + 1e-3})
    with pytest.raises(InvalidArgument, match=r"gap\.npz has been damaged or edited: its SHA-256"):
        read_whitening(file)


def test_a_file_without_one_of_the_arrays_is_refused(file: Path) -> None:
    with np.load(file) as there:
        content = {name: there[name] for name in there if name != "eigenvalues"}
    np.savez(file, **content)
    with pytest.raises(InvalidArgument, match="eigenvalues"):
        read_whitening(file)


class Canary:
    """An object whose unpickling leaves a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("wrapped", [True, False], ids=["in an array", "bare"])
def test_a_pickle_does_not_run(wrapped: bool, file: Path, tmp_path: Path) -> None:  # noqa: FBT001 - pytest passes parameters by name
    canary = Canary(tmp_path / "ran")
    if wrapped:
        np.savez(file, mean=np.array([canary], dtype=object))
    else:
        file.write_bytes(pickle.dumps(canary))
    with pytest.raises(InvalidArgument, match=r"gap\.npz is no file of a whitening"):
        read_whitening(file)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"none\.npz cannot be read: No such file"):
        read_whitening(tmp_path / "none.npz")
