"""The layers of the EfficientNet-Lite networks, shared by the reader of their weights and the builder of their graphs.

Sources: Tan and Le, EfficientNet (2019), table 1; `efficientnet_lite_builder.py` of tensorflow/tpu. The Lite networks
have no squeeze-and-excitation, ReLU6 in place of swish, and a stem and head that are not scaled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

STEM = 32
FEATURES = 1280
CLASSES = 1000


@dataclass(frozen=True)
class Block:
    """One inverted residual block: 1x1 expansion, depthwise kernel x kernel, 1x1 projection without activation."""

    kernel: int
    stride: int
    expansion: int
    channels_in: int
    channels_out: int

    @property
    def width(self) -> int:
        """Channels between expansion and projection."""
        return self.channels_in * self.expansion

    @property
    def residual(self) -> bool:
        """Whether the block's input is added to its output."""
        return self.stride == 1 and self.channels_in == self.channels_out


@dataclass(frozen=True)
class Lite:
    """One network of the family. size: height and width of its input."""

    name: str
    size: int
    blocks: tuple[Block, ...]

    @property
    def last(self) -> int:
        """Channels of the last block."""
        return self.blocks[-1].channels_out


def lite(number: int, *, width: float, depth: float, size: int) -> Lite:
    """Return EfficientNet-Lite `number`: channels times `width`, blocks times `depth` but in the first and last stage.

    Channels are rounded to multiples of 8 that lose no more than a tenth, blocks are rounded up.
    """
    blocks: list[Block] = []
    into = STEM
    for place, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES):
        out = _rounded(channels * width)
        count = repeats if place in {0, len(STAGES) - 1} else math.ceil(repeats * depth)
        blocks.append(Block(kernel, stride, expansion, into, out))
        blocks += [Block(kernel, 1, expansion, out, out)] * (count - 1)
        into = out
    return Lite(f"EfficientNet-Lite{number}", size, tuple(blocks))


def _rounded(channels: float) -> int:
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


# repeats, kernel, stride, expansion, channels
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
LITE0 = lite(0, width=1.0, depth=1.0, size=224)
LITE1 = lite(1, width=1.0, depth=1.1, size=240)
LITE2 = lite(2, width=1.1, depth=1.2, size=260)
