"""Networks of torchvision, with the transforms that belong to their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torchvision
from PIL import Image
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import Preprocessing, prepare
from pixkin_proto.errors import InvalidArgument
from torch import Tensor, nn
from torchvision.models import WeightsEnum
from torchvision.transforms import functional
from torchvision.transforms._presets import ImageClassification

from pixkin_export.sources.options import SourceOptions, native, weights_wanted
from pixkin_export.sources.source import no_network
from pixkin_export.sources.torch_network import TorchNetwork, make_untrained, seeded
from pixkin_export.sources.torch_weights import put_weights

ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"transform_input": True, "aux_logits": True, "init_weights": True},
    "inception_v3": {"transform_input": True, "aux_logits": True, "init_weights": True},
}
"""How torchvision itself makes a network that it has weights for, where that is not the default."""


def torchvision_network(name: str, options: SourceOptions, names: Mapping[str, str]) -> TorchNetwork:
    """Return a network by its name in torchvision, and behind a dot the name of its weights (`resnet50.IMAGENET1K_V1`).

    names: further names of its modules. Raises InvalidArgument for what torchvision does not have, InvalidExtractor for
    other weights.
    """
    model_name, _, tag = name.partition(".")
    published = _published(model_name, tag)
    with seeded():
        model = torchvision.models.get_model(model_name, weights=None, **ARGUMENTS.get(model_name, {}))
    transform = _transform(published, options)
    preprocessing = _preprocessing(transform, options)
    if options.weights:
        put_weights(model, options.weights, name)
    elif options.download:
        model.load_state_dict(published.get_state_dict(progress=True, check_hash=True))
    elif options.untrained:
        make_untrained(model, preprocessing.output_shape or (256, 256))
    else:
        raise weights_wanted(f"torchvision:{name}")
    return TorchNetwork(
        model,
        _Run(model.eval(), preprocessing),
        transform=_native(transform, preprocessing) if options.native else transform,
        preprocessing=preprocessing,
        mean=transform.mean,
        std=transform.std,
        names=names,
    )


def describe_torchvision(name: str) -> tuple[str, str]:
    """Return where the published weights of a network are from, and the licence of the code."""
    published = _published(*name.partition(".")[::2])
    return f"torchvision {published}, {published.url}", "BSD-3-Clause"


def _published(model: str, tag: str) -> WeightsEnum:
    known = torchvision.models.list_models(module=torchvision.models)
    if model not in known:
        raise no_network("torchvision", model, known)
    tags = torchvision.models.get_model_weights(model)
    if tag and tag not in tags.__members__:
        raise no_network(f"torchvision:{model}", tag, tags.__members__)
    return tags[tag or "DEFAULT"]


def _transform(published: WeightsEnum, options: SourceOptions) -> ImageClassification:
    own = published.transforms()
    if not isinstance(own, ImageClassification):
        raise InvalidArgument(f"{published} does not classify pictures, and has no layers to make descriptors of")
    if options.size is None:
        return own
    [crop], [resize] = own.crop_size, own.resize_size
    return ImageClassification(
        crop_size=options.size,
        resize_size=max(options.size, options.size * resize // crop),
        interpolation=own.interpolation,
        antialias=own.antialias,
        mean=tuple(own.mean),
        std=tuple(own.std),
    )


def _preprocessing(transform: ImageClassification, options: SourceOptions) -> Preprocessing:
    filter_name: Any = transform.interpolation.value
    if options.native:
        return native(options, filter_name)
    [crop], [resize] = transform.crop_size, transform.resize_size
    return Preprocessing("shorter", resize, crop=(crop, crop), filter=filter_name, rounding="torchvision")


def _native(transform: ImageClassification, preprocessing: Preprocessing) -> Callable[[Image.Image], Tensor]:
    def apply(picture: Image.Image) -> Tensor:
        import numpy as np

        resized = Image.fromarray(prepare(np.asarray(picture), preprocessing, FOLDER_LIMITS))
        return functional.normalize(functional.to_tensor(resized), list(transform.mean), list(transform.std))

    return apply


class _Run:
    """Calls a network, and notes what its pooling and its classifier take: `features`, `penultimate`."""

    def __init__(self, model: nn.Module, preprocessing: Preprocessing) -> None:
        self._model = model
        self._takers: dict[str, nn.Module] = {}
        self._find(preprocessing.output_shape or (256, 192))

    def __call__(self, values: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        hooks = [
            module.register_forward_pre_hook(lambda _m, inputs, name=name: found.__setitem__(name, inputs[0]))
            for name, module in self._takers.items()
        ]
        try:
            logits = self._model(values)
        finally:
            for hook in hooks:
                hook.remove()
        return {**found, "logits": logits}

    def _find(self, shape: tuple[int, int]) -> None:
        """Note the last module that pools a whole map, and the linear one that gives the network's output."""
        outputs: dict[nn.Module, Tensor] = {}
        wanted = [each for each in self._model.modules() if isinstance(each, nn.Linear | nn.AdaptiveAvgPool2d)]
        hooks = [
            each.register_forward_hook(lambda module, _i, output: outputs.__setitem__(module, output))
            for each in wanted
        ]
        with torch.inference_mode():
            logits = self._model(torch.zeros(1, 3, *shape))
        for hook in hooks:
            hook.remove()
        for module, output in outputs.items():
            if isinstance(module, nn.AdaptiveAvgPool2d):
                self._takers["features"] = module
            elif output is logits:
                self._takers["penultimate"] = module
