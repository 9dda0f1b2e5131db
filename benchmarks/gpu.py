"""What a CUDA device computes and how fast, against PyTorch on the same device: five networks with random weights.

Both take uint8 pictures from memory and give vectors to memory. Ends with 3 where there is no CUDA device.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import onnx
import report
import torch
from numpy.typing import NDArray
from pixkin_embedding import golden
from pixkin_embedding.encoder import CUDA
from pixkin_embedding.limits import FOLDER_LIMITS
from pixkin_embedding.preprocessing import prepare
from pixkin_embedding.runtime import onnx_runtime
from pixkin_export.asked import Asked, ask
from pixkin_export.catalogue import CATALOGUE, Entry
from pixkin_export.half import to_half
from pixkin_export.origins import open_origin
from pixkin_export.sources.options import SourceOptions
from pixkin_export.sources.torch_network import TorchNetwork

onnxruntime = onnx_runtime()
NAMES = ("resnet50", "mobilenet-v3-large", "convnext-tiny", "dinov2-small", "clip-vit-b32")
SIZE = 224
BATCHES = (1, 8, 32, 128)
ROUNDS = 15
NO_DEVICE = 3
FP32_LIMIT, FP16_LIMIT = 1e-3, 0.999

Pixels = NDArray[np.uint8]
Run = Callable[[Pixels], NDArray[np.float32]]


def main() -> None:
    """Measure and print, or say that there is no device."""
    if CUDA not in onnxruntime.get_available_providers() or not torch.cuda.is_available():
        print(
            f"no CUDA device: ONNX Runtime has {', '.join(onnxruntime.get_available_providers())}, and PyTorch "
            f"{'has' if torch.cuda.is_available() else 'has no'} CUDA; the extras are export and gpu",
            file=sys.stderr,
        )
        sys.exit(NO_DEVICE)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    report.main(measure, ["torch", "timm", "torchvision", "numpy"], __doc__)


def measure() -> Iterator[report.Row]:
    """Yield every figure."""
    yield {"figure": "device", "value": torch.cuda.get_device_name()}
    yield {"figure": "onnxruntime", "value": onnxruntime.__version__}
    for name in NAMES:
        yield from network(CATALOGUE[name])


def network(entry: Entry) -> Iterator[report.Row]:
    """Compare one network, in float32 without TF32 and in float16, and time it at each batch size."""
    source = open_origin(entry.origin, SourceOptions(untrained=True, size=SIZE), entry.layers).source
    if not isinstance(source, TorchNetwork):
        raise TypeError(f"{entry.name} is no network of PyTorch")
    asked = ask(entry.name, source, list(entry.descriptors))
    peer = of_torch(source, asked)
    exact, half = of_onnx(asked.model), of_onnx(to_half(asked.model, layers=asked.tensors))
    pictures = np.stack([prepare(each, source.preprocessing, FOLDER_LIMITS) for each in golden.pictures()])
    expected = peer(pictures)
    yield report.at_most(
        f"{entry.name}, fp32: max difference", float(abs(exact(pictures) - expected).max()), FP32_LIMIT
    )
    cosines = (half(pictures) * expected).sum(axis=1) / (
        np.linalg.norm(half(pictures), axis=1) * np.linalg.norm(expected, axis=1)
    )
    yield report.at_least(f"{entry.name}, fp16: min cosine", float(cosines.min()), FP16_LIMIT)
    for batch in BATCHES:
        pixels = np.random.default_rng(batch).integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8)
        rates = {name: batch / seconds for name, seconds in taken({"fp32": exact, "fp16": half, "torch": peer}, pixels)}
        for name, rate in rates.items():
            yield {"figure": f"{entry.name}, batch {batch}, {name}: images/s", "value": rate}
        yield {"figure": f"{entry.name}, batch {batch}: fp32 / torch", "value": rates["fp32"] / rates["torch"]}


def of_onnx(model: onnx.ModelProto) -> Run:
    """Return the graph of an export on CUDA, without TF32."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=[(CUDA, {"use_tf32": "0"})])
    if session.get_providers()[0] != CUDA:
        raise RuntimeError(f"ONNX Runtime bound {session.get_providers()[0]}; see its log for what CUDA lacks")
    [output] = [each.name for each in session.get_outputs()]
    return lambda pixels: session.run([output], {"pixels": pixels})[0]


def of_torch(source: TorchNetwork, asked: Asked) -> Run:
    """Return the same by PyTorch on CUDA: the layer of the one descriptor, L2-normalised."""
    [part] = asked.specs[0].parts
    module = source.module(part.layers).cuda()
    mean, std = (torch.from_numpy(each).cuda() for each in (source.mean, source.std))

    def run(pixels: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode():
            values = torch.from_numpy(pixels).cuda().permute(0, 3, 1, 2).float() / 255
            [found] = module((values - mean) / std)
            pooled = found.mean(dim=(2, 3)) if found.ndim == 4 else found
            return torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()

    return run


def taken(runs: dict[str, Run], pixels: Pixels) -> Iterator[tuple[str, float]]:
    """Yield the median seconds of each; all take turns, after as many turns that only warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(2 * ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            run(pixels)
            if turn >= ROUNDS:
                seconds[name].append(time.perf_counter() - start)
    yield from ((name, median(each)) for name, each in seconds.items())


if __name__ == "__main__":
    main()
