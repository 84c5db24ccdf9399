"""Backend `cuda` on a graphics processor; test_fused.py holds its kernels without one."""

import numpy as np
import pytest

from fsrcnn.inference import arrays, backends
from fsrcnn.network.weights import released
from fsrcnn.upscaling.image import Upscaler

pytestmark = pytest.mark.skipif(
    "cuda" not in backends.available(), reason="needs an NVIDIA processor and cuda-core"
)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 37, 61), (8, 1, 64, 64), (2, 1, 129, 200)])
def test_equals_the_network(scale, shape):
    y, x = np.mgrid[0 : shape[2], 0 : shape[3]]
    luma = np.broadcast_to(0.5 + 0.3 * np.sin(x / 3) * np.cos(y / 5), shape).astype(np.float32)
    expected = arrays.load(released(scale))(luma)
    np.testing.assert_allclose(backends.load(released(scale), "cuda")(luma), expected, rtol=0, atol=1e-3)


def test_a_picture_is_within_a_level():
    picture = (
        np.random.default_rng(1).integers(0, 256, (40, 60, 3)).repeat(5, 0).repeat(5, 1).astype(np.uint8)
    )
    results = [Upscaler(released(2), backend)(picture).astype(int) for backend in ("cuda", "numpy")]
    assert np.abs(results[0] - results[1]).max() <= 1
