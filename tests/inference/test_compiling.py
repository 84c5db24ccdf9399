"""The libraries that the package carries: for every instruction set the same function as everywhere else."""

import platform
import shutil
import subprocess

import numpy as np
import pytest

from fsrcnn.compilers import compiler
from fsrcnn.errors import InputError
from fsrcnn.inference import arrays, backends, compiling, native
from fsrcnn.inference.engine import Engine, packed
from fsrcnn.network.checkpoint import weights_of
from fsrcnn.system import processor_flags
from tests.network.test_model import randomized

SHAPE = {"d": 32, "s": 5, "m": 1}
Y = np.random.default_rng(0).random((1, 1, 9, 300), np.float32)  # an emulated processor is slow
RGB = np.random.default_rng(1).integers(0, 256, (40, 290, 3), dtype=np.uint8)


def weights(scale):
    return weights_of(randomized(scale, **SHAPE))


def assert_equal(out, network):
    expected = arrays.load(network)(Y)
    assert np.abs(out - expected).max() < 2e-5 * np.abs(expected).max()


def upscaled(engine: Engine) -> np.ndarray:
    made = np.empty((RGB.shape[0] * engine.scale, RGB.shape[1] * engine.scale, 3), np.uint8)
    engine.pixels(RGB, made, 255, 16 / 255, (0.25, 0.5, 0.1))
    return made.astype(int)


def enlarged(engine: Engine, dtype: type) -> np.ndarray:
    made = np.empty((55, 301), dtype)
    engine.plane(RGB[..., 0].astype(dtype), made, (-0.5, 3.25, 200, 40.75), 255)
    return made.astype(int)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("instructions", compiling.INSTRUCTION_SETS["x86_64"], ids=lambda each: each.name)
def test_instruction_sets_of_x86(tmp_path, monkeypatch, instructions, scale):
    if platform.machine() != "x86_64" or compiler.command() is None:
        pytest.skip("no compiler for x86-64")
    flags = instructions.flags
    if not instructions.needs <= processor_flags():
        if instructions.name != "avx512" or "avx2" not in processor_flags():
            pytest.skip(f"this processor has no {instructions.name}")
        # Its vectors and groups of channels, made of the instructions that there are.
        flags = (*(flag for flag in flags if "avx512" not in flag), "-D__AVX512F__", "-DKEEP(v)=", "-O1")
    network = weights(scale)
    path = tmp_path / compiling.carried_name(network.shape, instructions)
    compiler.compile_to(path, compiling.source(), network.shape, flags)
    monkeypatch.setattr(native, "_carried", lambda network: path)
    engine = native.load(network, 2)
    assert_equal(engine(Y), network)
    monkeypatch.undo()
    usual = native.load(network, 1)
    assert np.abs(upscaled(engine) - upscaled(usual)).max() <= 1
    for dtype in (np.uint8, np.uint16):
        assert np.abs(enlarged(engine, dtype) - enlarged(usual, dtype)).max() <= 1


HARNESS = """
#include <stdio.h>
static float weights[100000], in[9 * 300], out[9 * 300 * SCALE * SCALE];
int main(int count, char **paths)
{
    if (count < 3)
        return max_group();
    FILE *file = fopen(paths[1], "rb");
    fread(weights, 4, 100000, file);
    fclose(file), file = fopen(paths[2], "rb");
    fread(in, 4, 9 * 300, file);
    fclose(file), file = fopen(paths[3], "wb");
    const int failed = upscale(weights, in, out, 1, 9, 300, 2);
    fwrite(out, sizeof(out), 1, file);
    fclose(file);
    return failed;
}
"""


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_neon(tmp_path, scale):
    for program in ("aarch64-linux-gnu-gcc", "qemu-aarch64"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}: apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user")
    network = weights(scale)
    (neon,) = compiling.INSTRUCTION_SETS["aarch64"]
    flags = [flag for flag in (*compiler.FLAGS, *neon.flags) if flag != "-shared"]
    program = tmp_path / "program"
    flags += [*compiler._arguments(network.shape), "-iquote", str(compiler.HEADER.parent)]
    cross = ["aarch64-linux-gnu-gcc", *flags, "-static", "-x", "c", "-o", str(program), "-"]
    compiler.run(cross, compiling.source() + HARNESS.encode())
    emulated = ["qemu-aarch64", str(program)]
    max_group = subprocess.run(emulated, check=False).returncode
    np.concatenate([part.ravel() for part in packed(network, max_group)]).tofile(tmp_path / "weights")
    Y.tofile(tmp_path / "in")
    subprocess.run([*emulated, *(str(tmp_path / name) for name in ("weights", "in", "out"))], check=True)
    out = np.fromfile(tmp_path / "out", np.float32)
    assert_equal(out.reshape(1, 1, 9 * scale, 300 * scale), network)


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A package that carries the libraries of one shape; what is compiled here goes elsewhere."""
    if compiler.command() is None or not compiling.instruction_sets():
        pytest.skip("nothing can be built here")
    folder = tmp_path / "libraries"
    folder.mkdir()
    (folder / "x2-of-another-source.so").touch()
    monkeypatch.setattr(compiling, "FOLDER", folder)
    monkeypatch.setattr(compiling, "SHAPES", ({"scale": "2", "d": "3", "s": "2", "m": "0"},))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return compiling.build(folder)


def test_what_was_built_is_used_without_a_compiler(built, monkeypatch, tmp_path):
    assert sorted(built) == sorted(compiling.FOLDER.iterdir())
    assert len(built) == len(compiling.instruction_sets())
    monkeypatch.setenv("CC", "no-such-compiler")
    network = weights_of(randomized(2, d=3, s=2, m=0))
    assert_equal(backends.load(network)(Y), network)
    assert not (tmp_path / "cache").exists()
    with pytest.raises(InputError, match=r"made without FSRCNN\(3, 2, 0\) at x3: no C compiler"):
        backends.load(weights_of(randomized(3, d=3, s=2, m=0)), "native")


def test_the_best_that_the_processor_has_is_taken(built, monkeypatch):
    network = weights_of(randomized(2, d=3, s=2, m=0))
    for have in compiling.instruction_sets():
        monkeypatch.setattr(native, "processor_flags", lambda have=have: set(have.needs))
        assert f"-{have.name}-" in native._carried(network).name


def test_libraries_of_another_source_are_not_used(built, monkeypatch):
    monkeypatch.setattr(compiling, "source", lambda: b"int upscale;")
    assert native._carried(weights_of(randomized(2, d=3, s=2, m=0))) is None


def test_a_build_without_a_compiler_is_one_without_libraries(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("CC", "no-such-compiler")
    assert compiling.build(tmp_path / "libraries") == []
    assert "no C compiler" in caplog.text


def test_two_builds_leave_what_is_there(built):
    before = {path: path.stat().st_mtime_ns for path in built}
    assert compiling.build(compiling.FOLDER) == built
    assert {path: path.stat().st_mtime_ns for path in built} == before
