"""Every extractor that pixkin makes by one command: reading `CATALOGUE` is reading the list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pixkin_proto.errors import InvalidArgument, listed
from pixkin_proto.names import check_name
from pixkin_proto.suggestions import nearest as nearest_names

from pixkin_export.origins import ORIGINS


@dataclass(frozen=True)
class Entry:
    """One extractor that can be exported.

    origin: ORIGIN:NAME, what `open_origin` takes · descriptors: what it computes unless asked otherwise, and their
    dimensions · presets: names for longer descriptors · layers: names for the network's modules · published: whether
    its library has weights for it.
    """

    name: str
    title: str
    origin: str
    descriptors: Mapping[str, int]
    presets: Mapping[str, str] = field(default_factory=dict)
    layers: Mapping[str, str] = field(default_factory=dict)
    published: bool = True

    @property
    def weights(self) -> str:
        """Where its weights can come from, in words."""
        kind = self.origin.partition(":")[0]
        return ORIGINS[kind].weights if self.published else f"--weights: {kind} has none"


CATALOGUE: dict[str, Entry] = {}


def register_entry(entry: Entry) -> None:
    """Add an extractor to the catalogue. Raises InvalidArgument when its name is taken or its origin is none."""
    if check_name("extractor", entry.name) in CATALOGUE:
        raise InvalidArgument(f"the catalogue has an extractor {entry.name} already; give the new one another name")
    if entry.origin.partition(":")[0] not in ORIGINS:
        raise InvalidArgument(f"{entry.name} comes from {entry.origin}; there are {listed(ORIGINS)}")
    CATALOGUE[entry.name] = entry


def find_entry(name: str) -> Entry:
    """Return the entry of an extractor, or one for any `torchvision:NAME` or `timm:NAME`.

    Raises InvalidArgument with the nearest names when there is none.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    kind, colon, network = name.partition(":")
    if colon and network and kind in {"torchvision", "timm"}:
        own = re.sub(r"[^a-z0-9_-]+", "-", network.lower()).strip("-_")[:64]
        return Entry(own, f"{network} of {kind}", name, {"penultimate": 0})
    nearest = nearest_names(name, CATALOGUE)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"it has: {listed(CATALOGUE, most=40)}."
    raise InvalidArgument(
        f"the catalogue has no extractor {name!r}; {hint} All are listed by: pixkin export-model --list; others are "
        "torchvision:NAME and timm:NAME"
    )


def onnx_entry(name: str, path: Path, cuts: Iterable[str]) -> Entry:
    """Return the entry for an ONNX file that is cut at tensors of these names."""
    for cut in cuts:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", cut):
            raise InvalidArgument(f"{cut!r} cannot be the name of a layer; give it another: --cut layer1={cut}")
    return Entry(check_name("extractor", name), f"{path.name}, an ONNX file", f"onnx:{path}", {})


_VGG16 = {
    f"block{block}_conv{number}": f"features.{place}"
    for block, places in enumerate(((1, 3), (6, 8), (11, 13, 15), (18, 20, 22), (25, 27, 29)), 1)
    for number, place in enumerate(places, 1)
}
for _entry in (
    Entry(
        "efficientnet-lite0",
        "what is in the picture: features of a small network trained on ImageNet (the default)",
        "lite:0",
        {"gap": 1280},
    ),
    Entry("efficientnet-lite1", "the same, a little larger: 240 pixels", "lite:1", {"gap": 1280}),
    Entry("efficientnet-lite2", "the same, larger again: 260 pixels", "lite:2", {"gap": 1280}),
    Entry(
        "alexnet",
        "the network that began it (2012)",
        "torchvision:alexnet",
        {"fc2": 4096},
        layers={"conv5": "features.11", "fc1": "classifier.2", "fc2": "classifier.5"},
    ),
    Entry(
        "vgg16",
        "VGG16, the network of most published retrieval figures",
        "torchvision:vgg16",
        {"fc2": 4096},
        presets={"cnn-hist": "cnn-hist:layer=" + "/".join(f"block{block}_conv2" for block in range(1, 6))},
        layers={
            **_VGG16,
            "features": "features.29",
            "block5_pool": "features.30",
            "fc1": "classifier.1",
            "fc2": "classifier.4",
        },
    ),
    Entry("googlenet", "GoogLeNet, which is Inception v1", "torchvision:googlenet", {"gap": 1024}),
    Entry("resnet50", "ResNet-50", "torchvision:resnet50", {"gap": 2048}),
    Entry("mobilenet-v3-large", "MobileNet v3, for small machines", "torchvision:mobilenet_v3_large", {"gap": 960}),
    Entry("vgg16-timm", "VGG16 as timm has it", "timm:vgg16.tv_in1k", {"penultimate": 4096}),
    Entry("xception", "Xception", "timm:legacy_xception.tf_in1k", {"penultimate": 2048}),
    Entry(
        "efficientnetv2-l",
        "EfficientNetV2-L, pretrained on ImageNet-21k",
        "timm:tf_efficientnetv2_l.in21k_ft_in1k",
        {"penultimate": 1280},
    ),
    Entry("inception-v3", "Inception v3", "timm:inception_v3.tv_in1k", {"penultimate": 2048}),
    Entry(
        "inception-resnet-v2",
        "Inception-ResNet v2",
        "timm:inception_resnet_v2.tf_in1k",
        {"penultimate": 1536},
    ),
    Entry(
        "convnext-tiny",
        "ConvNeXt-T, pretrained on ImageNet-22k",
        "timm:convnext_tiny.fb_in22k_ft_in1k",
        {"penultimate": 768},
    ),
    Entry(
        "dinov2-small",
        "DINOv2 ViT-S/14: learnt without labels, strong at finding the same thing again",
        "timm:vit_small_patch14_dinov2.lvd142m",
        {"penultimate": 384},
    ),
    Entry(
        "clip-vit-b32",
        "CLIP ViT-B/32: the vector that CLIP compares with texts",
        "timm:vit_base_patch32_clip_224.openai",
        {"embedding=logits": 512},
    ),
    Entry(
        "resnetv2-152",
        "ResNetV2-152, whose published weights are Keras's: docs/extractors.md",
        "timm:resnetv2_152",
        {"penultimate": 2048},
        published=False,
    ),
    Entry(
        "hsv-histogram",
        "which colours are where: an HSV histogram of four quadrants and a centre ellipse",
        "pixels:longest-384",
        # chi2 before intersection: Corel-1k mAP 0.517 against 0.511.
        {"histogram": 405},
    ),
    Entry("grey-histogram", "how bright the picture is", "pixels:longest-384", {"gch": 64}),
    Entry("hog", "shapes: histograms of oriented gradients", "pixels:exact-64", {"hog": 2916}),
    Entry("lbp", "textures: local binary patterns", "pixels:exact-64", {"lbp": 236}),
    Entry("sift", "SIFT on a grid, point by point", "pixels:exact-64", {"sift": 6272}),
    Entry("bovw", "which patches there are: visual words, learnt by --train", "pixels:exact-64", {"bovw": 400}),
    Entry("hog-gch", "shapes and brightness in one vector", "pixels:exact-64", {"hog+gch": 2980}),
    Entry(
        "hog-sift",
        "shapes and visual words (--train) in one vector",
        "pixels:exact-64",
        {"hog-sift=hog+bovw": 3316},
    ),
    Entry(
        "hog-gch-sift",
        "shapes, brightness and visual words (--train) in one vector",
        "pixels:exact-64",
        {"hog-gch-sift=hog+gch+bovw": 3380},
    ),
):  # fmt: skip
    register_entry(_entry)
