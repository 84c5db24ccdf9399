"""The trained network in PyTorch's layers and its inference form: convolution and pixel shuffle.

The form is exact: `InferenceNetwork(weights)` equals the plain network within the rounding of float32.
This is the one module of the room that imports torch; `native.c` computes the same without the detour.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fsrcnn.network.weights import Weights


class InferenceNetwork(nn.Module):
    """The network with its sub-pixel weights laid out once; in evaluation mode, on the CPU.

    `forward` maps (N, 1, h, w) luma in 0..1 to (N, 1, h*scale, w*scale), not clamped.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.scale = weights.scale
        self.features = nn.Sequential()
        for weight, bias, slope in weights.convolutions():
            self.features.append(_convolution(weight, bias, weight.shape[-1] // 2))
            self.features.append(nn.PReLU(len(slope)))
            self.features[-1].load_state_dict({"weight": torch.tensor(slope)})
        weight, bias, before = weights.subpixel()
        after = weight.shape[-1] - 1 - before
        # As in `FSRCNN.subpixel`: equal padding, of which the first rows and columns are dropped.
        self.subpixel = _convolution(weight, bias, after)
        self.drop = after - before
        self.eval().requires_grad_(False)

    def forward(self, y: Tensor) -> Tensor:
        """(N, 1, h, w) luma -> (N, 1, h*scale, w*scale)."""
        out = self.subpixel(self.features(y))
        return F.pixel_shuffle(out[..., self.drop :, self.drop :], self.scale)


def load(weights: Weights, threads: int | None, compiled: bool = False) -> Callable[[np.ndarray], np.ndarray]:
    """A function that maps contiguous float32 (N, 1, h, w) to (N, 1, h*scale, w*scale).

    `threads` is set for the whole process; None leaves torch's number as it is.
    """
    module: Callable[[Tensor], Tensor] = InferenceNetwork(weights)
    if compiled:
        # Dynamic from the start: a new size of image must not compile again.
        options: dict[str, Any] = {"freezing": True}
        module = torch.compile(module, dynamic=True, options=options)
    if threads:
        torch.set_num_threads(threads)

    def run(y: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(y)).numpy()

    return run


def _convolution(weight: np.ndarray, bias: np.ndarray, padding: int) -> nn.Conv2d:
    outputs, inputs, kernel, _ = weight.shape
    layer = nn.Conv2d(inputs, outputs, kernel, padding=padding)
    layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
    return layer
