import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from fsrcnn.evaluation.quality import HIGHEST, psnr, psnr_of_mse, ssim


def test_psnr_by_hand():
    # A constant error of 0.1 has an MSE of 0.01: 20 dB.
    assert psnr(torch.full((4, 4), 0.6), torch.full((4, 4), 0.5)) == pytest.approx(20, abs=1e-5)
    # One of four pixels off by 1: MSE 1/4.
    assert psnr(torch.tensor([1.0, 0, 0, 0]), torch.zeros(4)) == pytest.approx(10 * math.log10(4))


def test_psnr_equals_an_independent_library():
    a, b = np.random.default_rng(1).random((2, 31, 17), dtype=np.float32)
    expected = peak_signal_noise_ratio(b, a, data_range=1.0)
    assert psnr(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(expected, abs=1e-6)


def test_psnr_of_equal_images_is_the_highest():
    assert psnr(torch.ones(3, 3), torch.ones(3, 3)) == psnr_of_mse(1e-11) == HIGHEST == 100
    assert psnr_of_mse(1e-9) == pytest.approx(90)
    assert psnr_of_mse(1.0) == 0


def test_ssim_of_the_centre_window_by_hand():
    # On an 11x11 image the mean over the image, its border cut, is the value of the one full window.
    a, b = np.random.default_rng(2).random((2, 11, 11))
    g = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    w = np.outer(g, g) / g.sum() ** 2
    ma, mb = (w * a).sum(), (w * b).sum()
    va, vb, cov = (w * a * a).sum() - ma**2, (w * b * b).sum() - mb**2, (w * a * b).sum() - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    expected = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    assert ssim(a, b) == pytest.approx(expected, rel=1e-6)
    assert ssim(a, a) == pytest.approx(1)
