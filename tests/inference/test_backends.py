import numpy as np
import pytest
import torch

from fsrcnn.errors import InputError
from fsrcnn.inference import backends, native
from fsrcnn.network.checkpoint import weights_of
from fsrcnn.network.model import FSRCNN
from tests.network.test_model import randomized

SIZES = [(1, 1, 1, 1), (1, 1, 13, 7), (8, 1, 9, 33), (1, 1, 5, 300), (2, 1, 70, 64)]
NAMES = ("native", "eager", "onnxruntime", "openvino", "compiled")


def loaded(network: FSRCNN, name: str, threads: int | None = None) -> backends.Backend:
    if name not in backends.available():
        pytest.skip(f"backend {name} is not installed")
    return backends.load(weights_of(network), name, threads)


def assert_equal_to_the_network(
    backend: backends.Backend, network: FSRCNN, sizes: list, tolerance: float = 1e-5
) -> None:
    for size in sizes:
        y = torch.rand(size)
        expected = network(y).detach().numpy()
        out = backend(y.numpy())
        assert out.dtype == np.float32
        assert out.shape == expected.shape
        assert np.abs(out - expected).max() < tolerance * np.abs(expected).max(), size


@pytest.mark.parametrize("name", NAMES[:-1])
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(56, 12, 4), (32, 5, 1), (7, 3, 0)])
def test_backends_equal_the_plain_network(name, scale, shape):
    network = randomized(scale, d=shape[0], s=shape[1], m=shape[2])
    assert_equal_to_the_network(loaded(network, name), network, SIZES)


@pytest.mark.parametrize("scale", [3, 4])
def test_compiled_equals_the_plain_network_and_compiles_once(scale):
    network = randomized(scale)
    backend = loaded(network, "compiled")
    assert_equal_to_the_network(backend, network, [(2, 1, 9, 33)])
    with torch.compiler.set_stance("fail_on_recompile"):
        assert_equal_to_the_network(backend, network, [(8, 1, 16, 12), (3, 1, 40, 7)])


def test_native_runs_deep_and_wide_networks():
    network = randomized(2, d=57, s=13, m=30)
    # Rounding adds up over so many layers: the plain network itself is 1e-5 off float64.
    assert_equal_to_the_network(loaded(network, "native"), network, SIZES, tolerance=1e-4)


def test_native_result_does_not_depend_on_the_threads():
    network, y = randomized(4), np.random.default_rng(0).random((1, 1, 90, 600), np.float32)
    one, three = (loaded(network, "native", threads)(y) for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_auto_takes_the_fastest_that_is_installed(monkeypatch):
    monkeypatch.setattr(backends, "available", lambda: ("eager", "compiled"))
    assert backends.load(weights_of(FSRCNN(4))).name == "eager"
    monkeypatch.undo()
    fastest = next(name for name in backends.FASTEST_FIRST if name in backends.available())
    assert backends.load(weights_of(FSRCNN(4))).name == fastest


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fast", "no backend 'fast'; choose auto, eager, native"),
        ("onnxruntime", r"pip install 'fsrcnn\[onnx\]'"),
        ("openvino", r"pip install 'fsrcnn\[openvino\]'"),
        ("native", "C compiler"),
    ],
)
def test_missing_backend_is_refused(monkeypatch, name, message):
    monkeypatch.setattr(backends, "_importable", lambda *_: False)
    monkeypatch.setattr(native, "compiler", lambda: None)
    with pytest.raises(InputError, match=message):
        backends.load(weights_of(FSRCNN(4)), name)


def test_failing_compiler_is_reported_in_one_line(monkeypatch, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'native.c: error: no such thing' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(InputError, match=r"native: .*cc failed: error: no such thing$"):
        backends.load(weights_of(FSRCNN(4)), "native")
    assert backends.load(weights_of(FSRCNN(4))).name != "native"


@pytest.mark.parametrize("shape", [(4, 4), (1, 3, 4, 4), (0, 1, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="luma of shape"):
        backends.load(weights_of(FSRCNN(4)), "eager")(np.zeros(shape, np.float32))
