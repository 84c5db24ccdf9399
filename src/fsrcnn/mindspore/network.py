"""The network of model.py as a MindSpore cell: the same layers, names and weights.

    cell = from_torch(network)             # a copy
    large = cell(mindspore.Tensor(y))      # (N, 1, h, w) -> (N, 1, h*scale, w*scale)
    copy_to(cell, network)                 # and back

Files of weights are read and written by checkpoint.py alone, from the torch network.
"""

from collections.abc import Callable, Iterator

import mindspore
import numpy as np
import torch
from mindspore import nn

from fsrcnn.network.model import FSRCNN, KERNEL, PADDING


class MindSporeFSRCNN(nn.Cell):
    """FSRCNN(d, s, m) for one scale; (N, 1, h, w) luma in 0..1 to (N, 1, h*scale, w*scale)."""

    def __init__(self, scale: int, d: int, s: int, m: int) -> None:
        super().__init__()
        self.feature_extraction = nn.SequentialCell(_convolution(1, d, 5), nn.PReLU(d))
        self.shrinking = nn.SequentialCell(_convolution(d, s, 1), nn.PReLU(s))
        layers = [layer for _ in range(m) for layer in (_convolution(s, s, 3), nn.PReLU(s))]
        self.mapping = nn.SequentialCell(*layers) if layers else nn.Identity()
        self.expanding = nn.SequentialCell(_convolution(s, d, 1), nn.PReLU(d))
        # MindSpore fills what `output_padding` adds with zeros, where torch computes it. Cutting
        # that much less at the bottom and on the right is what torch does.
        end = PADDING - (scale - 1)
        self.deconvolution = nn.Conv2dTranspose(
            d, 1, KERNEL, scale, pad_mode="pad", padding=(PADDING, end, PADDING, end), has_bias=True
        )

    def construct(self, y: mindspore.Tensor) -> mindspore.Tensor:
        """(N, 1, h, w) luma -> (N, 1, h*scale, w*scale), not clamped."""
        features = self.expanding(self.mapping(self.shrinking(self.feature_extraction(y))))
        return self.deconvolution(features)


def from_torch(network: FSRCNN) -> MindSporeFSRCNN:
    """A copy of the network, with the same parameters frozen."""
    cell = MindSporeFSRCNN(network.scale, network.d, network.s, network.m)
    source = dict(network.named_parameters())
    for name, parameter in named_parameters(cell):
        parameter.set_data(mindspore.Tensor(source[name].detach().cpu().numpy()))
        parameter.requires_grad = source[name].requires_grad
    return cell


def copy_to(cell: MindSporeFSRCNN, network: FSRCNN) -> None:
    """Give the network the cell's weights."""
    weights = {name: torch.from_numpy(p.asnumpy().copy()) for name, p in named_parameters(cell)}
    network.load_state_dict(weights)


def named_parameters(cell: MindSporeFSRCNN) -> Iterator[tuple[str, mindspore.Parameter]]:
    """The cell's parameters under the names that they have in torch."""
    for name, parameter in cell.parameters_and_names():
        # PReLU's slopes are `w` here and `weight` there.
        yield (f"{name[:-1]}weight" if name.endswith(".w") else name), parameter


def on_tensors(cell: MindSporeFSRCNN) -> Callable[[torch.Tensor], torch.Tensor]:
    """The cell as a function of torch tensors on the CPU."""
    return lambda y: torch.from_numpy(cell(mindspore.Tensor(y.numpy())).asnumpy())


def compiled(network: FSRCNN) -> Callable[[mindspore.Tensor], np.ndarray]:
    """A copy of the network as one compiled graph; its result is an array, so that it is computed."""
    run = mindspore.jit(from_torch(network).construct)
    return lambda y: run(y).asnumpy()


def _convolution(channels: int, out: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel, pad_mode="pad", padding=kernel // 2, has_bias=True)
