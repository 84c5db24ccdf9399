"""The kernels of `fused.cu`, on this processor: every thread is a coroutine (host.py)."""

import shutil

import numpy as np
import pytest
from skimage import data

from fsrcnn.errors import InputError
from fsrcnn.inference import arrays
from fsrcnn.inference.fused import Fused, rows_of_a_warp
from fsrcnn.limits import SCALES
from fsrcnn.network.weights import Weights, released, shapes
from tests.inference import host

needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="needs g++ 12 or later")


def by_kernels(weights: Weights, luma: np.ndarray) -> np.ndarray:
    """(n, h, w) -> (n, h*scale, w*scale), with NaN where nothing was written."""
    network = Fused(weights)
    n, height, width = luma.shape
    luma, content = np.ascontiguousarray(luma), network.content.copy()
    work = np.full(Fused.workspace(n, height, width), 0xFF, np.uint8)
    out = np.full((n, height * weights.scale, width * weights.scale), np.nan, np.float32)
    at = [array.ctypes.data for array in (content, luma, work, out)]
    for kernel, grid, threads, _, arguments in network.launches(
        at[0], at[1], luma.shape, at[2], at[3], blocks=2
    ):
        host.launch(host.FUSED, network.defines, kernel, grid, threads, arguments)
    return out


@needs_compiler
@pytest.mark.parametrize(
    ("scale", "family", "shape"),
    [
        (2, "clean", (1, 9, 67)),  # an odd width: half a pair of pixels at the edge
        (3, "clean", (2, 5, 20)),
        (4, "clean", (1, 21, 33)),
        (2, "photo-s", (1, 10, 18)),
        (4, "photo", (1, 1, 1)),
    ],
)
def test_kernels_equal_the_network(scale, family, shape):
    weights = released(scale, family)
    luma = smooth(shape)
    expected = arrays.load(weights)(luma[:, None])[:, 0]
    np.testing.assert_allclose(by_kernels(weights, luma), expected, rtol=0, atol=1e-3)


@needs_compiler
@pytest.mark.parametrize(("scale", "family"), [*((scale, "clean") for scale in SCALES), (2, "photo")])
def test_a_photograph_is_within_a_quarter_of_a_level_and_as_light(scale, family):
    weights = released(scale, family)
    luma = data.astronaut()[:44, 200:280, 1][None].astype(np.float32) / 255
    error = by_kernels(weights, luma) - arrays.load(weights)(luma[:, None])[:, 0]
    assert np.abs(error).max() <= 1e-3
    assert abs(error.mean()) <= 3e-5


@needs_compiler
def test_a_random_network():
    random = np.random.default_rng(1)
    made = {
        name: (random.normal(size=shape) * (0.05 if len(shape) > 1 else 0.2)).astype(np.float32)
        for name, shape in shapes(24, 16, 2).items()
    }
    weights = Weights(3, 24, 16, 2, made, {})
    luma = random.random((1, 12, 65), np.float32)
    expected = arrays.load(weights)(luma[:, None])[:, 0]
    np.testing.assert_allclose(
        by_kernels(weights, luma), expected, rtol=0, atol=2e-3 * np.abs(expected).max()
    )


@pytest.mark.parametrize(("d", "s"), [(57, 12), (64, 12), (8, 4), (56, 17)])
def test_other_shapes_are_refused(d, s):
    zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes(d, s, 1).items()}
    with pytest.raises(InputError, match=f"no kernels for d {d}, s {s}; it takes"):
        Fused(Weights(2, d, s, 1, zeros, {}))


@pytest.mark.parametrize(
    ("height", "columns", "blocks", "rows"),
    [
        (1080, 32, 396, 23),  # 12 blocks of a column at once
        (64, 16, 396, 1),
        (4000, 64, 396, 28),  # six waves
        (7, 1000, 2, 2),  # a block of four warps has the whole column
    ],
)
def test_warps_fill_the_processor(height, columns, blocks, rows):
    assert rows_of_a_warp(height, columns, blocks) == rows


def smooth(shape: tuple[int, ...]) -> np.ndarray:
    """A picture's luma: the networks' outputs on noise are far outside of 0..1."""
    n, height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    waves = [0.5 + 0.3 * np.sin(x / 3 + i) * np.cos(y / 5) + 0.2 * (x // 7 % 2) for i in range(n)]
    return np.stack(waves).astype(np.float32)
