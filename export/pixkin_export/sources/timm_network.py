"""Networks of timm, with the evaluation transforms of their pretrained configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import timm
from PIL import Image
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import Preprocessing, prepare
from pixkin_proto.errors import InvalidArgument
from timm.data import create_transform, resolve_model_data_config
from torch import Tensor, nn
from torchvision.transforms import functional

from pixkin_export.sources.options import SourceOptions, native, weights_wanted
from pixkin_export.sources.source import no_network
from pixkin_export.sources.torch_network import TorchNetwork, make_untrained, seeded
from pixkin_export.sources.torch_weights import put_weights


def timm_network(name: str, options: SourceOptions, names: Mapping[str, str]) -> TorchNetwork:
    """Return a network by its name in timm, with or without the tag of its weights (`vit_base_patch16_224.dino`).

    names: further names of its modules. Raises InvalidArgument for what timm does not have, InvalidExtractor for other
    weights.
    """
    _check_known(name)
    if not (options.weights or options.download or options.untrained):
        raise weights_wanted(f"timm:{name}")
    model = _made(name, options)
    config = resolve_model_data_config(model, use_test_size=True)
    if options.size:
        config["input_size"] = (3, options.size, options.size)
    preprocessing = _preprocessing(name, config, options)
    if options.weights:
        put_weights(model, options.weights, name)
    elif options.untrained:
        make_untrained(model, preprocessing.output_shape or (256, 256))
    return TorchNetwork(
        model,
        _run(model.eval()),
        transform=_native(config, preprocessing) if options.native else create_transform(**config, is_training=False),
        preprocessing=preprocessing,
        mean=config["mean"],
        std=config["std"],
        names=names,
    )


def describe_timm(name: str) -> tuple[str, str]:
    """Return where the published weights of a network are from, and their licence."""
    _check_known(name)
    config = timm.models.get_pretrained_cfg(name)
    hub = getattr(config, "hf_hub_id", None) or getattr(config, "url", "") or "no published weights"
    return f"timm {name} ({hub})", str(getattr(config, "license", None) or "see its model card")


def _check_known(name: str) -> None:
    known = timm.list_models(include_tags=True, pretrained=False) + timm.list_models()
    if name not in known:
        raise no_network("timm", name, known)


def _made(name: str, options: SourceOptions) -> nn.Module:
    config = timm.models.get_pretrained_cfg(name, allow_unregistered=True)
    fixed = bool(getattr(config, "fixed_input_size", False))
    if fixed and options.native:
        raise InvalidArgument(f"{name} takes pictures of one size, so it cannot take them in their own proportions")
    sized = {"img_size": options.size or _test_size(config)} if fixed else {}
    with seeded():
        return timm.create_model(name, pretrained=options.download, **sized)


def _test_size(config: Any) -> int:
    return int((config.test_input_size or config.input_size)[-1])


def _preprocessing(name: str, config: Mapping[str, Any], options: SourceOptions) -> Preprocessing:
    filter_name: Any = config["interpolation"]
    if options.native:
        return native(options, filter_name)
    crop = config["input_size"][1:]
    scaled = tuple(math.floor(side / config["crop_pct"]) for side in crop)
    if config["crop_mode"] == "squash":
        return Preprocessing("exact", scaled, crop=tuple(crop), filter=filter_name, rounding="torchvision")
    if config["crop_mode"] != "center" or crop[0] != crop[1]:
        raise InvalidArgument(
            f"{name} wants its pictures {config['crop_mode']} at {crop[0]}x{crop[1]}, which pixkin cannot do; a square "
            "centre crop or a squashed picture it can: give --size N"
        )
    return Preprocessing("shorter", scaled[0], crop=tuple(crop), filter=filter_name, rounding="torchvision")


def _native(config: Mapping[str, Any], preprocessing: Preprocessing) -> Callable[[Image.Image], Tensor]:
    def apply(picture: Image.Image) -> Tensor:
        resized = Image.fromarray(prepare(np.asarray(picture), preprocessing, FOLDER_LIMITS))
        return functional.normalize(functional.to_tensor(resized), list(config["mean"]), list(config["std"]))

    return apply


def _run(model: Any) -> Callable[[Tensor], dict[str, Tensor]]:
    def call(values: Tensor) -> dict[str, Tensor]:
        features = model.forward_features(values)
        return {
            "features": features,
            "penultimate": model.forward_head(features, pre_logits=True),
            "logits": model.forward_head(features),
        }

    return call
