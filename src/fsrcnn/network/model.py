"""The network of section 3, FSRCNN(d, s, m): five parts, named as in the paper.

Input and output are luma (Y) in 0..1. Only the last layer depends on the scale. Training and fast
inference use the deconvolution's *sub-pixel form*: an equal convolution at low resolution whose
scale^2 output channels are the pixels of each scale x scale block (`FSRCNN.subpixel`).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fsrcnn.network.deconvolution import KERNEL, PADDING, subpixel_index

# Side of the block of LR pixels whose outputs one place of the sub-pixel convolution gives in training:
# the four outputs of one pixel at x2 would leave most of a vector register empty.
BLOCK = {2: 2, 3: 1, 4: 1}


class FSRCNN(nn.Module):
    """FSRCNN(d, s, m) for one scale (paper, section 3.3; d=56, s=12, m=4 has 12,464 weights).

    `forward` maps (N, 1, h, w) luma in 0..1 to (N, 1, h*scale, w*scale); the output is not clamped.
    """

    def __init__(self, scale: int, d: int = 56, s: int = 12, m: int = 4) -> None:
        super().__init__()
        self.scale, self.d, self.s, self.m = scale, d, s, m
        self.feature_extraction = nn.Sequential(nn.Conv2d(1, d, 5, padding=2), nn.PReLU(d))
        self.shrinking = nn.Sequential(nn.Conv2d(d, s, 1), nn.PReLU(s))
        self.mapping = nn.Sequential()
        for _ in range(m):
            self.mapping.extend([nn.Conv2d(s, s, 3, padding=1), nn.PReLU(s)])
        self.expanding = nn.Sequential(nn.Conv2d(s, d, 1), nn.PReLU(d))
        self.deconvolution = nn.ConvTranspose2d(
            d, 1, KERNEL, stride=scale, padding=PADDING, output_padding=scale - 1
        )
        self._block = BLOCK[scale]
        index, self._before = subpixel_index(scale, self._block)
        self._index: Tensor
        self.register_buffer("_index", torch.from_numpy(index), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """He-normal convolutions and an N(0, 0.001) deconvolution, as section 3.3 has them."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan = module.out_channels * module.weight[0, 0].numel()
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan))
        for name, parameter in self.named_parameters():
            if name.endswith(".bias"):
                nn.init.zeros_(parameter)
        self.reset_deconvolution()

    def reset_deconvolution(self) -> None:
        """N(0, 0.001) weights and no bias."""
        weight, bias = self.deconvolution.parameters()
        nn.init.normal_(weight, std=0.001)
        nn.init.zeros_(bias)

    def features(self, y: Tensor) -> Tensor:
        """(N, 1, h, w) luma -> (N, d, h, w), what the deconvolution sees; the same at every scale."""
        return self.expanding(self.mapping(self.shrinking(self.feature_extraction(y))))

    def forward(self, y: Tensor) -> Tensor:
        """(N, 1, h, w) luma -> (N, 1, h*scale, w*scale)."""
        return self.deconvolution(self.features(y))

    def subpixel(self, y: Tensor) -> Tensor:
        """(N, 1, h, w) -> (N, scale^2, h, w), equal to `pixel_unshuffle(forward(y), scale)`."""
        height, width = y.shape[-2:]
        block, scale = self._block, self.scale
        features = self.features(y)
        if height % block or width % block:
            features = F.pad(features, (0, -width % block, 0, -height % block))
        weight, bias = self.subpixel_weights(self._index)
        # A kernel that reaches further after the block than before it gets the same padding on both
        # sides, and the first row and column, which lie outside the image, are dropped.
        after = weight.shape[-1] - block - self._before
        drop = after - self._before
        out = F.conv2d(features, weight, bias, stride=block, padding=after)[..., drop:, drop:]
        return F.pixel_unshuffle(F.pixel_shuffle(out, block * scale), scale)[..., :height, :width]

    def subpixel_weights(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The deconvolution as a convolution: weight (outputs, d, k, k) and bias (outputs,).

        `index` (outputs, k, k) is that of `subpixel_index`.
        """
        flat = F.pad(self.deconvolution.weight.reshape(self.d, KERNEL * KERNEL), (0, 1))
        bias = self.deconvolution.bias
        assert bias is not None  # for the type checker: ConvTranspose2d could be made without one
        return flat[:, index].transpose(0, 1), bias.expand(len(index))


def weight_count(network: FSRCNN) -> int:
    """Weights of all convolutions, biases and slopes not counted, as the paper counts them."""
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d))
