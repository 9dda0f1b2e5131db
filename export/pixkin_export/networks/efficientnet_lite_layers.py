"""The layers of EfficientNet-Lite0, shared by the reader of its weights and the builder of its graph.

Sources: Tan and Le, EfficientNet (2019), table 1; `efficientnet_lite_builder.py` of tensorflow/tpu. The Lite networks
have no squeeze-and-excitation, ReLU6 in place of swish, and a stem and head that are not scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

INPUT = 224
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


def _stage(repeats: int, first: Block) -> tuple[Block, ...]:
    return first, *[Block(first.kernel, 1, first.expansion, first.channels_out, first.channels_out)] * (repeats - 1)


BLOCKS: tuple[Block, ...] = (
    *_stage(1, Block(kernel=3, stride=1, expansion=1, channels_in=32, channels_out=16)),
    *_stage(2, Block(kernel=3, stride=2, expansion=6, channels_in=16, channels_out=24)),
    *_stage(2, Block(kernel=5, stride=2, expansion=6, channels_in=24, channels_out=40)),
    *_stage(3, Block(kernel=3, stride=2, expansion=6, channels_in=40, channels_out=80)),
    *_stage(3, Block(kernel=5, stride=1, expansion=6, channels_in=80, channels_out=112)),
    *_stage(4, Block(kernel=5, stride=2, expansion=6, channels_in=112, channels_out=192)),
    *_stage(1, Block(kernel=3, stride=1, expansion=6, channels_in=192, channels_out=320)),
)
