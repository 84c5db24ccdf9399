"""PSNR and SSIM of luma images."""

import math

import numpy as np
import torch
from torch import Tensor

# Of equal images, as of a flat picture and its bicubic enlargement, it would be infinite, which neither a
# mean nor JSON can hold.
HIGHEST = 100.0


def psnr(image: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB over all elements; both in 0..1, `image` already clamped.

    At most `HIGHEST`.
    """
    # In float64 for its accuracy, on the CPU since Apple's graphics processors lack float64.
    difference = image.cpu().double() - target.cpu().double()
    return psnr_of_mse(float(torch.mean(difference**2)))


def psnr_of_mse(mse: float) -> float:
    """PSNR in dB of a mean squared error between images in 0..1, at most `HIGHEST`."""
    return HIGHEST if mse == 0 else min(HIGHEST, -10 * math.log10(mse))


def ssim(image: np.ndarray, target: np.ndarray) -> float:
    """Structural similarity, as its authors define it: 11x11 Gaussian window, sigma 1.5.

    (h, w) luma in 0..1; `h` and `w` at least 11.
    """
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(
            image,
            target,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )
