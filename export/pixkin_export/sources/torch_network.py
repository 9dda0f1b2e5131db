"""A network of PyTorch: its layers by name, as PyTorch computes them and as ONNX."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from PIL import Image
from pixkin_embedding.preprocessing import Preprocessing
from pixkin_embedding.runtime import first_line
from pixkin_proto.errors import InvalidArgument, InvalidExtractor
from torch import Tensor, nn

from pixkin_export.graph import OPSET, Graph
from pixkin_export.sources.source import Layer, Seen, no_layer

Run = Callable[[Tensor], Mapping[str, Tensor]]
SEED = 0
NOISE = 16
"""How many pictures of noise an untrained network takes the statistics of its batch normalisation from."""


SCALES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""How many cells a side the grids of the noise have."""


class TorchNetwork:
    """A `Source` of a network of PyTorch in evaluation mode.

    model: its modules · run: calls it, and returns what has a name of its own (`features`, `penultimate`, `logits`) ·
    transform: the library's own transforms, of a PIL picture · mean, std: of a channel, what the last transform takes
    off and divides by · names: further names for the modules whose output is meant.
    """

    def __init__(
        self,
        model: nn.Module,
        run: Run,
        *,
        transform: Callable[[Image.Image], Tensor],
        preprocessing: Preprocessing,
        mean: Sequence[float],
        std: Sequence[float],
        names: Mapping[str, str],
    ) -> None:
        self.learnt: Mapping[str, Any] = {}
        self.preprocessing, self.against = preprocessing, f"PyTorch {torch.__version__.partition('+')[0]}"
        self._model, self._run, self._transform = model.eval(), run, transform
        self.mean, self.std = (np.array(each, np.float32).reshape(3, 1, 1) for each in (mean, std))
        self._paths = dict(names)
        for module in model.modules():
            if getattr(module, "inplace", False):  # would change what a layer before it gave
                module.inplace = False
        self._known: dict[str, Layer] = {}

    def layer(self, name: str) -> Layer:
        """Return what a layer gives."""
        if name not in self._known:
            self._known[name] = self._measured(name)
        return self._known[name]

    def add(self, graph: Graph, layers: Sequence[str]) -> dict[str, str]:
        """Add the pixels as the network takes them, and the network."""
        add = graph.add
        values = add("Cast", add("Transpose", Graph.pixels, perm=[0, 3, 1, 2]), to=onnx.TensorProto.FLOAT)
        scaled = add("Div", add("Sub", add("Div", values, np.float32(255)), self.mean), self.std)
        return graph.insert(self._exported(layers), scaled, layers)

    def see(self, picture: NDArray[np.uint8], layers: Sequence[str]) -> Seen:
        """Compute layers as PyTorch does, after the library's own transforms."""
        with torch.inference_mode():
            values = self._transform(Image.fromarray(picture)).unsqueeze(0)
            found = self.module(layers)(values)
        pixels = values[0].numpy() * self.std + self.mean
        arrays = [each[0].numpy().astype(np.float64) for each in found]
        return Seen(pixels.transpose(1, 2, 0).astype(np.float64), dict(zip(layers, arrays, strict=True)))

    def _measured(self, name: str) -> Layer:
        with torch.inference_mode():
            try:
                [found] = self.module([name])(self._blank(1))
            except RuntimeError as error:
                raise too_small(self.preprocessing, error) from None
            except KeyError:
                modules = [path for path, _ in self._model.named_modules() if path]
                own = self._run(self._blank(1))
                raise no_layer(name, [*own, *self._paths, *modules]) from None
        if not isinstance(found, Tensor) or found.ndim not in {2, 4}:
            what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise InvalidArgument(
                f"layer {name} gives {what}, and a descriptor is made of (n, d) or (n, c, h, w); choose another layer"
            )
        return Layer("map" if found.ndim == 4 else "vector", int(found.shape[1]))

    def _blank(self, count: int) -> Tensor:
        height, width = self.preprocessing.output_shape or (256, 192)
        return torch.zeros(count, 3, height, width)

    def module(self, layers: Sequence[str]) -> nn.Module:
        """Return a module that takes scaled pictures (n, 3, h, w) and gives these layers."""
        return _Cut(self._model, self._run, [(name, self._paths.get(name, name)) for name in layers]).eval()

    def _exported(self, layers: Sequence[str]) -> onnx.ModelProto:
        axes = {0: "n"} if self.preprocessing.output_shape else {0: "n", 2: "h", 3: "w"}
        outputs = {name: {0: "n"} for name in layers}
        file = io.BytesIO()
        try:
            with torch.inference_mode(), _portable():
                torch.onnx.export(
                    self.module(layers),
                    (self._blank(2),),
                    file,
                    dynamo=False,
                    opset_version=OPSET,
                    input_names=["scaled"],
                    output_names=list(layers),
                    dynamic_axes={"scaled": axes, **outputs},
                )
        except (RuntimeError, ValueError, NotImplementedError) as error:  # SymbolicValueError among them
            how = (
                ""
                if self.preprocessing.output_shape
                else " for pictures of any size; give --size N in place of --native"
            )
            first = first_line(error)
            raise InvalidExtractor(f"PyTorch cannot export {', '.join(layers)} as ONNX{how} ({first[:200]})") from error
        return onnx.load_from_string(file.getvalue())


class _Cut(nn.Module):
    """A network that gives some of its layers."""

    def __init__(self, model: nn.Module, run: Run, layers: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.model, self._run, self._layers = model, run, layers

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        """Return the layers of pictures (n, 3, h, w); KeyError for one that there is not."""
        seen: dict[str, Tensor] = {}
        modules = dict(self.model.named_modules())
        paths = [path for _, path in self._layers if path in modules]
        hooks = [
            modules[path].register_forward_hook(lambda _m, _i, output, path=path: seen.setdefault(path, output))
            for path in paths
        ]
        # A hook that returns something changes the output: setdefault returns the output itself.
        try:
            own = self._run(values)
        finally:
            for hook in hooks:
                hook.remove()
        return tuple(own[path] if path in own else seen[path] for _, path in self._layers)


def make_untrained(model: nn.Module, shape: tuple[int, int]) -> nn.Module:
    """Return a network whose random weights let pictures differ at its end. shape: (height, width) of its input.

    The statistics of batch normalisation are those of seeded noise, and layer scales are 1: as they are made, a deep
    network gives the same for every picture, and comparing it with anything would prove nothing.
    """
    for name, parameter in model.named_parameters():
        if name.endswith(("gamma", "layer_scale")):
            nn.init.ones_(parameter)
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001  # the class of all of them has no public name
    if norms:
        model.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean of all batches in place of a moving average
            norm.train()
        with torch.no_grad():
            try:
                model(_noise(shape))
            except RuntimeError as error:
                raise InvalidArgument(_no_size(shape, error)) from None
    return model.eval()


def _noise(shape: tuple[int, int]) -> Tensor:
    """Return noise (NOISE, 3, *shape) that is as rough at every scale, as pictures are: white noise has no flat parts.

    After the statistics of white noise, networks without trained weights blow rounding errors up on flat pictures.
    """
    generator = torch.Generator().manual_seed(SEED)
    total = torch.zeros(NOISE, 3, *shape)
    for side in SCALES:
        coarse = torch.randn(NOISE, 3, side, side, generator=generator)
        total += nn.functional.interpolate(coarse, size=shape, mode="bilinear")
    return total / len(SCALES) ** 0.5


def too_small(preprocessing: Preprocessing, error: Exception) -> InvalidArgument:
    """Return the error for a network that cannot take what it is given."""
    return InvalidArgument(_no_size(preprocessing.output_shape or (0, 0), error))


def _no_size(shape: tuple[int, int], error: Exception) -> str:
    first = first_line(error)
    return f"the network does not take pictures of {shape[0]}x{shape[1]} ({first[:160]}); choose another --size"


@contextmanager
def seeded() -> Iterator[None]:
    """Draw random numbers from SEED on in the block, and go on as before after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        yield


@contextmanager
def _portable() -> Iterator[None]:
    """Keep to operators that ONNX has, and the exporter's advice to its developers away from people who export."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operator for a whole attention, which ONNX has not
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
