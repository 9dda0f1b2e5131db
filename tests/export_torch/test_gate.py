"""An export that prepares pictures or computes otherwise than PyTorch is never written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pixkin_export.differences import ParityFailed
from pixkin_export.exporting import export_model
from pixkin_export.sources import timm_network, torchvision_network
from pixkin_export.sources.options import SourceOptions
from pixkin_export.sources.torch_network import TorchNetwork
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

Change = Callable[[TorchNetwork], None]
MODULES = {"torchvision:squeezenet1_1": torchvision_network, "timm:test_resnet.r160_in1k": timm_network}
SIZE = 64


def _transform(*, mean: float = 0.485, filter_name: str = "bilinear", resize: int = 73, turned: bool = False) -> Change:
    def change(source: TorchNetwork) -> None:
        steps = [Resize(resize, InterpolationMode(filter_name)), CenterCrop(SIZE), ToTensor()]
        order = [(lambda values: values[[2, 1, 0]])] if turned else []
        source._transform = Compose([*steps, *order, Normalize([mean, 0.456, 0.406], [0.229, 0.224, 0.225])])

    return change


def _weight(source: TorchNetwork) -> None:
    with torch.no_grad():
        next(source._model.parameters()).view(-1)[0] += 0.01


CHANGES: dict[str, Change] = {
    "a mean": _transform(mean=0.5),
    "the order of channels": _transform(turned=True),
    "the filter": _transform(filter_name="bicubic"),
    "the size before the crop": _transform(resize=80),
    "a weight": _weight,
}


@pytest.fixture(params=MODULES)
def export(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Exports a network whose source is changed after its graph was made."""
    module: Any = MODULES[request.param]
    name = module.__name__.rpartition(".")[2]
    original, opened = getattr(module, name), []

    def run(change: Change | None) -> Path:
        def again(*arguments: Any) -> TorchNetwork:
            source: TorchNetwork = original(*arguments)
            opened.append(source)
            if len(opened) > 1 and change:
                change(source)
            return source

        monkeypatch.setattr(module, name, again)
        options = SourceOptions(untrained=True, size=SIZE)
        return export_model(request.param, directory=tmp_path / "out", options=options, descriptors=["gap", "logits"])

    return run


def test_a_source_as_it_is_passes(export: Callable[..., Path]) -> None:
    assert export(None).exists()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_source_that_is_changed_stops_the_export(change: Change, export: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ParityFailed, match="nothing was written"):
        export(change)
    assert not list(tmp_path.iterdir())
