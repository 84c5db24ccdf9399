"""The trained network in its inference form: the deconvolution as convolution and pixel shuffle.

The form is exact: `InferenceNetwork(network)` equals `network` within the rounding of float32. It
is what the torch backends run; `native.c` computes the same without the detour.
"""

from copy import deepcopy
from itertools import chain
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from fsrcnn.network.model import FSRCNN, subpixel_index


class InferenceNetwork(nn.Module):
    """A trained `FSRCNN` with its sub-pixel weights laid out once; a copy, in evaluation mode.

    `forward` maps (N, 1, h, w) luma in 0..1 to (N, 1, h*scale, w*scale), not clamped.
    """

    def __init__(self, network: FSRCNN) -> None:
        super().__init__()
        self.scale = network.scale
        self.features = deepcopy(nn.Sequential(*chain.from_iterable(convolutions(network))))
        index, before = subpixel_index(network.scale)
        weight, bias = network.subpixel_weights(index)
        kernel = weight.shape[-1]
        after = kernel - 1 - before
        # As in `FSRCNN.subpixel`: equal padding, of which the first rows and columns are dropped.
        self.subpixel = nn.Conv2d(network.d, network.scale**2, kernel, padding=after)
        self.drop = after - before
        self.subpixel.load_state_dict({"weight": weight, "bias": bias})
        self.eval().requires_grad_(False)

    def forward(self, y: Tensor) -> Tensor:
        """(N, 1, h, w) luma -> (N, 1, h*scale, w*scale)."""
        out = self.subpixel(self.features(y))
        return F.pixel_shuffle(out[..., self.drop :, self.drop :], self.scale)


def convolutions(network: FSRCNN) -> list[tuple[nn.Conv2d, nn.PReLU]]:
    """Everything before the deconvolution, in order."""
    parts = (network.feature_extraction, network.shrinking, network.mapping, network.expanding)
    layers = list(chain.from_iterable(parts))
    return cast(list[tuple[nn.Conv2d, nn.PReLU]], list(zip(layers[::2], layers[1::2], strict=True)))
