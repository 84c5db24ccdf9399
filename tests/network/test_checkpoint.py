import pickle
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as serialize
from safetensors.torch import save_file

from fsrcnn.data import hdf5
from fsrcnn.data.hdf5 import Pair
from fsrcnn.errors import InputError
from fsrcnn.limits import SCALES
from fsrcnn.network import checkpoint
from fsrcnn.network.model import FSRCNN
from fsrcnn.network.weights import read_metadata


def test_round_trip(tmp_path):
    network = FSRCNN(3, d=8, s=4, m=2)
    path = tmp_path / "models" / "w.safetensors"
    checkpoint.save(network, path, {"train_data": "91-image"})
    loaded = checkpoint.load(path)
    x = torch.rand(1, 1, 7, 9)
    assert torch.equal(loaded(x), network(x))
    assert not loaded.training
    assert read_metadata(path) == {
        "scale": "3", "d": "8", "s": "4", "m": "2", "train_data": "91-image",
    }  # fmt: skip
    assert [p.name for p in path.parent.iterdir()] == ["w.safetensors"]


def test_same_weights_give_the_same_bytes(tmp_path):
    torch.manual_seed(0)
    network = FSRCNN(2)
    for name in ("a", "b"):
        checkpoint.save(network, tmp_path / name, {"kind": "scratch"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def shape(**changes: str) -> dict[str, str]:
    return {"scale": "4", "d": "56", "s": "12", "m": "4"} | changes


def bad_files(folder):
    state = {name: tensor.clone() for name, tensor in FSRCNN(4).state_dict().items()}
    yield (
        "pickle",
        "not a safetensors file",
        lambda p: p.write_bytes(pickle.dumps(Planted(folder / "planted"))),
    )
    yield "torch", "not a safetensors file", lambda p: torch.save(Planted(folder / "planted"), p)
    yield "empty", "not a safetensors file", lambda p: p.touch()
    yield "plain", "no FSRCNN weights", lambda p: save_file(state, p)
    yield "scale5", "made for scale 5", lambda p: save_file(state, p, shape(scale="5"))
    content = serialize(state, shape())
    yield "cut", "not a safetensors file", lambda p: p.write_bytes(content[:-1])
    yield "header", "not a safetensors file", lambda p: p.write_bytes(content[:100])
    yield (
        "half",
        "is F16 .* not F32",
        lambda p: save_file({name: tensor.half() for name, tensor in state.items()}, p, shape()),
    )
    for value in (float("nan"), float("inf")):
        broken = {**state, "deconvolution.bias": torch.tensor([value])}
        yield "broken", "bias holds NaN or infinity", lambda p, broken=broken: save_file(broken, p, shape())
    yield "extra", "more is no part of it", lambda p: save_file({**state, "more": torch.ones(1)}, p, shape())
    yield "claim", "do not fit FSRCNN", lambda p: save_file(state, p, shape(d="1024", s="1024", m="64"))
    yield (
        "x3",
        "do not fit FSRCNN",
        lambda p: save_file({**state, "deconvolution.weight": torch.ones(56, 1, 8, 8)}, p, shape(scale="3")),
    )
    yield "huge", "impossible network shape", lambda p: save_file(state, p, shape(d="999999"))
    yield "width", "do not fit FSRCNN", lambda p: save_file(state, p, shape(s="13"))
    less = {name: tensor for name, tensor in state.items() if name != "shrinking.0.weight"}
    yield "missing", "shrinking.0.weight", lambda p: save_file(less, p, shape())


def test_bad_files_are_refused_and_never_executed(tmp_path):
    for name, reason, write in bad_files(tmp_path):
        path = tmp_path / name
        write(path)
        with pytest.raises(InputError, match=reason) as caught:
            checkpoint.load(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("script", ["evaluate.py", "benchmark.py", "finetune.py"])
@pytest.mark.parametrize(
    "write",
    [lambda path, value: path.write_bytes(pickle.dumps(value)), lambda path, value: torch.save(value, path)],
)
def test_no_stage_executes_a_pickle(tmp_path, monkeypatch, script, write):
    root = Path(__file__).resolve().parents[2]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [script])
    shutil.copy(root / "params.yaml", tmp_path)
    for scale in SCALES:
        Path(f"models/x{scale}").mkdir(parents=True)
        for kind in ("scratch", "transfer"):
            write(Path(f"models/x{scale}/{kind}.safetensors"), Planted(tmp_path / "planted"))
        pairs = [
            Pair(np.ones((8, 8), np.float32), np.ones((8 * scale,) * 2, np.float32), name) for name in "ab"
        ]
        hdf5.write_pairs(
            Path(f"data/x{scale}/train/91-image.h5"), pairs, scale, source="91-image", made="for a test"
        )
    with pytest.raises(SystemExit, match=r"error: models/x\d/scratch\.safetensors: not a safetensors file"):
        runpy.run_path(str(root / "pipeline" / script), run_name="__main__")
    assert not (tmp_path / "planted").exists()


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no such file; train first"):
        checkpoint.load(tmp_path / "none.safetensors")
