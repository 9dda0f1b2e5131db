from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pixkin_embedding.bundle import read_description, read_extractor, seal
from pixkin_embedding.encoder import load_encoder
from pixkin_embedding.preprocessing import Preprocessing
from pixkin_proto.descriptors import Descriptor, Norm
from pixkin_proto.errors import InvalidExtractor

NAMES = ("efficientnet-lite0", "hsv-histogram")


@pytest.fixture(params=NAMES)
def file(request: pytest.FixtureRequest, extractors: Path) -> Path:
    """Each extractor file in turn."""
    return extractors / f"{request.param}.onnx"


def test_a_file_describes_itself_without_its_weights_being_read(file: Path) -> None:
    described, (read, _) = read_description(file), read_extractor(file)
    assert described.name == file.stem
    assert described.fingerprint == read.fingerprint
    assert described.descriptors == read.descriptors


def test_one_flipped_bit_anywhere_in_the_graph_is_noticed(file: Path, tmp_path: Path) -> None:
    data = bytearray(file.read_bytes())
    copy = tmp_path / "flipped.onnx"
    graph = len(_without_metadata(bytes(data)))
    for position in np.random.default_rng(0).integers(20, graph, 12):
        data[position] ^= 4
        copy.write_bytes(data)
        with pytest.raises(InvalidExtractor):
            read_extractor(copy)
        data[position] ^= 4


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_file_is_no_extractor(extractors: Path, tmp_path: Path, keep: float) -> None:
    data = (extractors / "hsv-histogram.onnx").read_bytes()
    copy = tmp_path / "cut.onnx"
    copy.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(InvalidExtractor):
        read_extractor(copy)
    with pytest.raises(InvalidExtractor):
        read_description(copy)


def test_other_bytes_are_no_extractor(tmp_path: Path) -> None:
    copy = tmp_path / "other.onnx"
    for data in (b"\xff" * 300, b"PK\x03\x04" + bytes(100), b"text\n" * 50):
        copy.write_bytes(data)
        with pytest.raises(InvalidExtractor):
            read_extractor(copy)
    with pytest.raises(InvalidExtractor, match="cannot be read"):
        read_extractor(tmp_path / "none.onnx")


def test_an_edited_behaviour_is_noticed(extractors: Path, tmp_path: Path) -> None:
    data = (extractors / "hsv-histogram.onnx").read_bytes()
    copy = tmp_path / "edited.onnx"
    copy.write_bytes(data.replace(b'"size":384', b'"size":383'))
    with pytest.raises(InvalidExtractor, match="damaged or edited"):
        read_extractor(copy)


def _sealed(model: bytes, *, provenance: dict[str, str], golden: float = 1.0, size: int = 64) -> bytes:
    return seal(
        model,
        name="tiny",
        preprocessing=Preprocessing("longest", size),
        descriptors=(Descriptor("d", 2, Norm.NONE),),
        golden={"d": np.full((8, 2), golden, np.float32)},
        provenance=provenance,
    )


def _fingerprint(data: bytes, tmp_path: Path) -> str:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(data)
    return read_extractor(path)[0].fingerprint


def test_the_fingerprint_depends_on_behaviour_and_not_on_provenance(tmp_path: Path) -> None:
    model = b"\x08\x08" + b"\x3a\x04abcd" + b"\x42\x02\x10\x11"  # ir_version, graph, opset_import
    first = _fingerprint(_sealed(model, provenance={"source": "a"}), tmp_path)
    assert _fingerprint(_sealed(model, provenance={"source": "b", "licence": "c"}), tmp_path) == first
    assert _fingerprint(_sealed(model + b"\x12\x02xy", provenance={}), tmp_path) == first  # producer_name
    assert _fingerprint(_sealed(model, provenance={}, golden=2.0), tmp_path) == first
    assert _fingerprint(_sealed(model, provenance={}, size=65), tmp_path) != first
    assert _fingerprint(_sealed(model.replace(b"abcd", b"abce"), provenance={}), tmp_path) != first
    assert _fingerprint(_sealed(model.replace(b"\x10\x11", b"\x10\x12"), provenance={}), tmp_path) != first


def test_a_file_from_a_later_format_is_refused_by_name(extractors: Path, tmp_path: Path) -> None:
    data = (extractors / "hsv-histogram.onnx").read_bytes()
    copy = tmp_path / "later.onnx"
    copy.write_bytes(data.replace(b'"format":1', b'"format":9'))
    with pytest.raises(InvalidExtractor, match="format 9"):
        read_description(copy)


def test_a_graph_that_computes_other_vectors_than_its_golden_ones_is_refused(extractors: Path, tmp_path: Path) -> None:
    extractor, data = read_extractor(extractors / "hsv-histogram.onnx")
    golden = {name: np.roll(vectors, 7, axis=1) for name, vectors in extractor.golden.items()}
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(
        seal(
            _without_metadata(data),
            name=extractor.name,
            preprocessing=extractor.preprocessing,
            descriptors=extractor.descriptors,
            golden=golden,
            provenance={},
        )
    )
    assert read_extractor(wrong)[0].name == "hsv-histogram"
    with pytest.raises(InvalidExtractor, match="computes other vectors"):
        load_encoder(wrong, "cpu")


def _without_metadata(data: bytes) -> bytes:
    """Cut the two entries that `seal` appends."""
    return data[: data.rindex(b"\x72", 0, data.index(b"\x0a\x06pixkin\x12"))]


def test_golden_vectors_are_kept_exactly(extractors: Path) -> None:
    extractor = read_description(extractors / "hsv-histogram.onnx")
    assert extractor.golden["histogram"].shape == (8, 405)
    assert extractor.golden["histogram"].dtype == np.float32
    assert extractor.golden["histogram"].sum(axis=1) == pytest.approx(np.ones(8))


def test_the_metadata_is_plain_json(extractors: Path) -> None:
    data = (extractors / "hsv-histogram.onnx").read_bytes()
    at = data.index(b'{"descriptors"')
    behaviour, _ = json.JSONDecoder().raw_decode(data[at:].decode("utf-8", "replace"))
    assert behaviour["name"] == "hsv-histogram"
    assert set(behaviour) == {"format", "name", "preprocessing", "descriptors", "golden", "fingerprint"}
