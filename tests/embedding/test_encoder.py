from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pixkin_embedding import golden
from pixkin_embedding.bundle import read_extractor
from pixkin_embedding.encoder import CPU, CUDA, Encoder, Session, encode_golden, load_encoder
from pixkin_embedding.runtime import onnx_runtime
from pixkin_proto.errors import InvalidExtractor, MissingExtra, ProviderMissing

onnxruntime = onnx_runtime()


def test_a_loaded_encoder_names_the_provider_that_was_bound(extractors: Path) -> None:
    encoder = load_encoder(extractors / "hsv-histogram.onnx", "cpu")
    assert encoder.provider == CPU


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="a CUDA build of ONNX Runtime is here")
def test_cuda_refuses_to_run_on_a_machine_without_it(extractors: Path) -> None:
    with pytest.raises(ProviderMissing, match="--device cpu"):
        load_encoder(extractors / "hsv-histogram.onnx", "cuda")
    assert load_encoder(extractors / "hsv-histogram.onnx", "auto").provider == CPU


def test_a_cuda_build_that_falls_back_to_cpu_is_noticed(extractors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A build with CUDA lists the provider and silently binds CPU when the driver is missing or too old.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    original = onnxruntime.InferenceSession

    def fallen_back(model: bytes, options: object, providers: list[str]) -> object:
        assert providers == [CUDA, CPU]
        return original(model, options, providers=[CPU])

    monkeypatch.setattr(onnxruntime, "InferenceSession", fallen_back)
    with pytest.raises(ProviderMissing, match="bound CPUExecutionProvider"):
        load_encoder(extractors / "hsv-histogram.onnx", "cuda")


def test_golden_vectors_are_the_same_again(extractors: Path) -> None:
    for name in ("efficientnet-lite0", "hsv-histogram"):
        encoder = load_encoder(extractors / f"{name}.onnx", "cpu")
        golden.compare(name, encoder.extractor.golden, encode_golden(encoder))


def test_the_golden_pictures_differ_in_shape_and_content() -> None:
    pictures = golden.pictures()
    assert len(pictures) == golden.COUNT
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in pictures)
    assert len({picture.shape for picture in pictures}) == golden.COUNT
    assert all(picture.std() > 10 for picture in pictures if picture.size > 3)


def test_a_graph_with_another_input_is_no_extractor(extractors: Path) -> None:
    extractor, data = read_extractor(extractors / "hsv-histogram.onnx")
    with pytest.raises(InvalidExtractor, match="one input"):
        Session(data.replace(b"pixels", b"pixelz"), "cpu")
    with pytest.raises(InvalidExtractor, match="does not load"):
        Session(data[:200], "cpu")
    with pytest.raises(InvalidExtractor, match="no such output"):
        Encoder(extractor, _Outputless())


class _Outputless(Session):
    def __init__(self) -> None:
        self.provider, self.outputs = CPU, ["other"]


def test_without_onnx_runtime_the_error_names_the_install_command(
    extractors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"pip install 'pixkin\[cpu\]'"):
        load_encoder(extractors / "hsv-histogram.onnx")
