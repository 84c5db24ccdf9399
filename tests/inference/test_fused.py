"""The kernels of `fused.cu` without a graphics processor: compiled for this one, every thread a coroutine."""

import ctypes
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from fsrcnn.errors import InputError
from fsrcnn.inference import arrays
from fsrcnn.inference.fused import Fused
from fsrcnn.network.weights import Weights, released, shapes

HERE = Path(__file__).parent / "cuda"

needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="needs g++ 12 or later")


@pytest.fixture(scope="module")
def on_host(tmp_path_factory):
    """A function that runs a network (n, h, w) -> (n, h*scale, w*scale) by the kernels."""
    libraries = {}

    def library(network: Fused) -> ctypes.CDLL:
        if network.defines not in libraries:
            folder = tmp_path_factory.mktemp("fused")
            kernels = (files("fsrcnn.inference") / "fused.cu").read_text()
            parts = (HERE / "host.cuh").read_text(), kernels, (HERE / "launch.cuh").read_text()
            (folder / "fused.cpp").write_text("\n".join(parts))
            defines = [f"-D{define}" for define in network.defines]
            command = ["g++", "-O2", "-w", "-std=c++17", "-fPIC", "-shared", *defines]
            subprocess.run([*command, "fused.cpp", "-o", "fused.so"], cwd=folder, check=True)
            libraries[network.defines] = ctypes.CDLL(str(folder / "fused.so"))
        return libraries[network.defines]

    def run(weights: Weights, luma: np.ndarray) -> np.ndarray:
        network = Fused(weights)
        n, height, width = luma.shape
        luma, content = np.ascontiguousarray(luma), network.content.copy()
        work = np.full(Fused.workspace(n, height, width), 0xFF, np.uint8)  # NaN
        out = np.full((n, height * weights.scale, width * weights.scale), np.nan, np.float32)
        at = [array.ctypes.data for array in (content, luma, work, out)]
        for kernel, grid, threads, _, arguments in network.launches(
            at[0], at[1], luma.shape, at[2], at[3], blocks=2
        ):
            values = [
                {np.int32: ctypes.c_int32, np.float32: ctypes.c_float}.get(type(value), ctypes.c_void_p)(
                    value
                )
                for value in arguments
            ]
            pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
            library(network).launch(kernel.encode(), (ctypes.c_int * 3)(*grid), threads, pointers)
        return out

    return run


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
def test_kernels_equal_the_network(on_host, scale, family, shape):
    weights = released(scale, family)
    luma = smooth(shape)
    expected = arrays.load(weights)(luma[:, None])[:, 0]
    np.testing.assert_allclose(on_host(weights, luma), expected, rtol=0, atol=1e-3)


@needs_compiler
def test_a_random_network(on_host):
    random = np.random.default_rng(1)
    made = {
        name: (random.normal(size=shape) * (0.05 if len(shape) > 1 else 0.2)).astype(np.float32)
        for name, shape in shapes(24, 16, 2).items()
    }
    weights = Weights(3, 24, 16, 2, made, {})
    luma = random.random((1, 12, 65), np.float32)
    expected = arrays.load(weights)(luma[:, None])[:, 0]
    np.testing.assert_allclose(on_host(weights, luma), expected, rtol=0, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize(("d", "s"), [(57, 12), (64, 12), (8, 4), (56, 17)])
def test_other_shapes_are_refused(d, s):
    zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes(d, s, 1).items()}
    with pytest.raises(InputError, match=f"no kernels for d {d}, s {s}; it takes"):
        Fused(Weights(2, d, s, 1, zeros, {}))


def smooth(shape: tuple[int, ...]) -> np.ndarray:
    """A picture's luma: the networks' outputs on noise are far outside of 0..1."""
    n, height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    waves = [0.5 + 0.3 * np.sin(x / 3 + i) * np.cos(y / 5) + 0.2 * (x // 7 % 2) for i in range(n)]
    return np.stack(waves).astype(np.float32)
