import numpy as np
import onnx
import pytest

from fsrcnn.cli import main
from fsrcnn.export.targets import TARGETS
from fsrcnn.network import weights
from tests.export.networks import SMALL, random_weights


@pytest.fixture
def file(tmp_path):
    weights.save(random_weights(3, **SMALL), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def export(*arguments):
    return main(["export", *map(str, arguments)])


def error_line(capsys):
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("target", TARGETS)
def test_trained_and_released_networks(tmp_path, file, target):
    assert export(file, "--to", target, "-o", tmp_path / "new" / "a") == 0
    assert export(file, "--to", target, "-o", tmp_path / "b") == 0
    assert export("x4", "--to", target, "-o", tmp_path / "c") == 0
    small, again, large = (tmp_path.joinpath(name).read_bytes() for name in ("new/a", "b", "c"))
    assert small == again
    assert len(large) > len(small) > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "c", "new", "w.safetensors"]


def test_onnx_says_which_network_it_is(tmp_path, file):
    assert export(file, "--to", "onnx", "-o", tmp_path / "a.onnx") == 0
    metadata = {p.key: p.value for p in onnx.load(tmp_path / "a.onnx").metadata_props}
    assert metadata == {"seed": "0", "scale": "3", "d": "8", "s": "4", "m": "1"}


def test_nothing_is_overwritten_without_force(tmp_path, file, capsys):
    (tmp_path / "a.onnx").write_text("mine")
    assert export(file, "--to", "onnx", "-o", tmp_path / "a.onnx") == 1
    assert "a.onnx: exists; --force overwrites it" in error_line(capsys)
    assert (tmp_path / "a.onnx").read_text() == "mine"
    assert export(file, "--to", "onnx", "-o", tmp_path / "a.onnx", "--force") == 0
    assert onnx.load(tmp_path / "a.onnx").graph.name == "fsrcnn"


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def foreign(file):
    weights.save(random_weights(3, **SMALL), file)
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"mapping.0.weight"', b'"features.weight"'.ljust(18)))


def not_finite(file):
    network = random_weights(3, **SMALL)
    network.arrays["shrinking.0.bias"][1] = np.nan
    weights.save(network, file)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "not a safetensors file"),
        (foreign, "weights do not fit"),
        (not_finite, "shrinking.0.bias holds NaN or infinity"),
        (lambda file: file.write_bytes(b"\x80\x02}q\x00."), "not a safetensors file"),
        (lambda file: file.unlink(), "no such file"),
    ],
)
def test_bad_weights_are_one_line_and_leave_nothing(tmp_path, file, capsys, damage, message):
    damage(file)
    assert export(file, "--to", "onnx", "-o", tmp_path / "out" / "a.onnx") == 1
    assert message in error_line(capsys)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(tmp_path, file, capsys):
    assert export(file, "--to", "onnx", "-o", file / "a.onnx") == 1
    assert "a.onnx: cannot be written" in error_line(capsys)
    assert export(file, "--to", "onnx", "-o", tmp_path) == 1
    assert "is a folder; name a file" in error_line(capsys)
