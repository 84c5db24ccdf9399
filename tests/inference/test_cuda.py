"""Backend `cuda`: on a graphics processor where there is one, else on the stand-in of host.py."""

import shutil
import sys

import numpy as np
import pytest

from fsrcnn.errors import InputError
from fsrcnn.inference import arrays, backends, cuda
from fsrcnn.network.weights import released
from fsrcnn.upscaling.image import Upscaler
from tests.inference import host

REAL = "cuda" in backends.available()


@pytest.fixture
def processor(monkeypatch):
    if REAL:
        return
    if not shutil.which("g++"):
        pytest.skip("needs an NVIDIA processor, or g++ for its stand-in")
    for name, module in host.cuda_core().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("fsrcnn.inference.cuda.available", lambda: True)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 5, 9)] + [(8, 1, 64, 64), (2, 1, 129, 200)] * REAL)
def test_equals_the_network(processor, scale, shape):
    y, x = np.mgrid[0 : shape[2], 0 : shape[3]]
    luma = np.broadcast_to(0.5 + 0.3 * np.sin(x / 3) * np.cos(y / 5), shape).astype(np.float32)
    expected = arrays.load(released(scale))(luma)
    np.testing.assert_allclose(backends.load(released(scale), "cuda")(luma), expected, rtol=0, atol=1e-3)


def test_a_picture_is_within_a_level(processor):
    picture = np.random.default_rng(1).integers(0, 256, (2, 3, 3)).repeat(5, 0).repeat(5, 1).astype(np.uint8)
    results = [Upscaler(released(2), backend)(picture).astype(int) for backend in ("cuda", "numpy")]
    assert np.abs(results[0] - results[1]).max() <= 1


def test_what_the_driver_refuses_is_said(monkeypatch):
    for name, module in host.cuda_core("CUDA_ERROR_INVALID_VALUE").items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(InputError, match="CUDA_ERROR_INVALID_VALUE for 58 KiB"):
        cuda.load(released(2))


def test_what_a_library_says_is_one_line(monkeypatch):
    modules = host.cuda_core()
    modules["cuda.core"].Device = type("Device", (host.Device,), {"create_stream": lambda _: 1 / 0})
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(InputError, match=r"^backend cuda: division by zero; choose another backend$"):
        cuda.load(released(2))


def test_an_old_processor_is_not_taken(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: True)
    old = type("Device", (host.Device,), {"compute_capability": (7, 5)})
    modules = host.cuda_core()
    modules["cuda.core"].Device = old
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    assert not cuda.available()
