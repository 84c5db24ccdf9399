import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from fsrcnn.compilers import compiler
from fsrcnn.errors import InputError
from fsrcnn.inference import backends, compiling
from fsrcnn.network.checkpoint import weights_of
from fsrcnn.network.model import FSRCNN
from tests.network.test_model import randomized

SIZES = [(1, 1, 1, 1), (1, 1, 13, 7), (8, 1, 9, 33), (1, 1, 5, 300), (2, 1, 70, 64)]
NAMES = ("native", "numpy", "eager", "onnxruntime", "openvino", "compiled")


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


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A package that was built without a compiler, on a machine that has none."""
    monkeypatch.setattr(compiling, "FOLDER", tmp_path / "libraries")
    monkeypatch.setattr(compiler, "command", lambda: None)


def test_auto_takes_native():
    loaded(FSRCNN(4), "native")  # else there is nothing to take
    assert backends.load(weights_of(FSRCNN(4))).name == "native"


def test_auto_without_a_compiler_says_once_what_is_lost(bare, caplog):
    network = randomized(3)
    backend = backends.load(weights_of(network))
    assert backend.name == "numpy"
    (line,) = caplog.messages
    assert line == (
        "backend native is not installed; it needs a C compiler: install gcc or clang; "
        "NumPy runs the network, some ten times slower"
    )
    assert_equal_to_the_network(backend, network, [(1, 1, 140, 260)])


FORKED = """
import multiprocessing
from pathlib import Path
import numpy as np
from fsrcnn import upscale
from fsrcnn.inference import compiling

compiling.FOLDER = Path("no-such-folder")
image = np.random.default_rng(0).integers(0, 256, (40, 300, 3), dtype=np.uint8)
here = upscale(image, 2)
with multiprocessing.get_context("fork").Pool(2) as pool:
    there = pool.starmap_async(upscale, [(image, 2)] * 4).get(60)
assert all(np.array_equal(here, each) for each in there)
"""


@pytest.mark.parametrize("cc", ["cc", "no-such-compiler"])
def test_forked_processes_upscale_too(cc):
    environment = {**os.environ, "CC": cc}
    subprocess.run([sys.executable, "-c", FORKED], env=environment, check=True, timeout=120)


OFFLINE = """
import sys

def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
        raise SystemExit(f"{event} {arguments}")

sys.addaudithook(refuse)
import numpy as np
from fsrcnn.inference import backends
from fsrcnn.network.weights import released
backends.load(released(2), "openvino")(np.zeros((1, 1, 9, 7), np.float32))
"""


def test_openvino_calls_nobody_and_leaves_the_home_folder_alone(tmp_path):
    if "openvino" not in backends.available():
        pytest.skip("backend openvino is not installed")
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fast", "no backend 'fast'; choose auto, eager, native"),
        ("onnxruntime", r"pip install 'fsrcnn\[onnx\]'"),
        ("openvino", r"pip install 'fsrcnn\[openvino\]'"),
        ("cuda", r"pip install 'fsrcnn\[cuda\]'"),
        ("native", "C compiler"),
    ],
)
def test_missing_backend_is_refused(bare, monkeypatch, name, message):
    monkeypatch.setattr(backends, "_importable", lambda *_: False)
    with pytest.raises(InputError, match=message):
        backends.load(weights_of(FSRCNN(4)), name)


def test_failing_compiler_is_reported_in_one_line(cache, monkeypatch, tmp_path):
    cc = tmp_path / "cc"
    cc.write_text("#!/bin/sh\necho 'native.c: error: no such thing' >&2\nexit 1\n")
    cc.chmod(0o755)
    monkeypatch.setenv("CC", str(cc))
    with pytest.raises(InputError, match=r"native: .*cc failed: error: no such thing$"):
        backends.load(SMALL, "native")
    assert backends.load(SMALL).name == "numpy"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache for libraries."""
    if compiler.command() is None:
        pytest.skip("no C compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "fsrcnn"


SMALL = weights_of(FSRCNN(2, d=2, s=1, m=0))


def test_compiler_may_be_a_command_with_arguments(cache, monkeypatch):
    monkeypatch.setenv("CC", f"env {compiler.command()[0]} -O1")
    assert "native" in backends.available()
    assert backends.load(SMALL, "native").name == "native"
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("unclosed", ["'gcc -m64", "no-such-compiler -m64", "ccache'"])
def test_compiler_that_is_not_there(tmp_path, monkeypatch, unclosed):
    monkeypatch.setattr(compiling, "FOLDER", tmp_path)
    monkeypatch.setenv("CC", unclosed)
    assert "native" not in backends.available()
    with pytest.raises(InputError, match="needs a C compiler"):
        backends.load(SMALL, "native")


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "changed"])
def test_damaged_library_is_made_again(cache, damage):
    backends.load(SMALL, "native")
    (path,) = cache.iterdir()
    content = path.read_bytes()
    middle = len(content) // 2
    damaged = {
        "cut": content[:middle],
        "empty": b"",
        "other": b"no library",
        "changed": content[:middle] + bytes(64) + content[middle + 64 :],
    }[damage]
    assert damaged != content
    path.unlink()  # a library that is in use must not be written to
    path.write_bytes(damaged)
    backends.load(SMALL, "native")
    assert [file.read_bytes() for file in cache.iterdir()] == [content]


def test_library_in_the_cache_is_used(cache, monkeypatch):
    backends.load(SMALL, "native")
    (path,) = cache.iterdir()
    before = path.stat()
    backends.load(SMALL, "native")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_compiler_that_hangs_is_given_up_with_all_it_started(cache, monkeypatch, tmp_path):
    cc = tmp_path / "cc"
    cc.write_text(f"#!/bin/sh\nsleep 600 & echo $! > {tmp_path}/pid; wait\n")
    cc.chmod(0o755)
    monkeypatch.setenv("CC", str(cc))
    monkeypatch.setattr(compiler, "TIMEOUT", 1)
    with pytest.raises(InputError, match=r"^backend native: made without .*cc did not end in 1 s; set CC$"):
        backends.load(SMALL, "native")
    child = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    deadline = time.monotonic() + 60  # on a busy machine a killed process may wait to be run once more
    while child.exists() and child.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert backends.load(SMALL).name == "numpy"


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not {"eager", "compiled"} & set(backends.available())
    with pytest.raises(InputError, match=r"eager is not installed; pip install 'fsrcnn\[train\]'"):
        backends.load(SMALL, "eager")


@pytest.mark.parametrize("shape", [(4, 4), (1, 3, 4, 4), (0, 1, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="luma of shape"):
        backends.load(weights_of(FSRCNN(4)), "eager")(np.zeros(shape, np.float32))
