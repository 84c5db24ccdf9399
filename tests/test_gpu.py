"""benchmarks/gpu.py, with the CPU as the stand-in for a graphics processor."""

import json
import sys
from pathlib import Path

import gpu
import pytest
import torch
import yaml

from fsrcnn import load_pretrained
from fsrcnn.data import hdf5
from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.pairs import make_pair
from fsrcnn.download.samples import EVALUATION, photographs
from fsrcnn.errors import InputError
from fsrcnn.evaluation.report import markdown
from tests.evaluation.test_report import FRAMEWORKS
from tests.project import ROOT

CPU = torch.device("cpu")
GRAPHS = "sub-pixel, CUDA graphs"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A project with three small photographs, to train on and as Set5."""
    pairs = [Pair(*make_pair(image, 4, "resize"), name) for name, image in photographs(EVALUATION, 128)]
    for name in ("train/some.h5", "evaluation/Set5_reference.h5"):
        hdf5.write_pairs(tmp_path / "data/x4" / name, pairs, 4, source="scikit-image", made="a test")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for train in (params["train"], params["recipes"]["reference"]["train"]):
        train |= {"compile": False, "batch_size": 2}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gpu, "INPUTS", ((4, (2, 1, 12, 12)), (2, (1, 1, 20, 70))))
    return tmp_path


def run(monkeypatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", *options])
    gpu.main()


def test_a_run_gives_rows_of_the_report(folder, monkeypatch):
    lengths = ("--steps", "1", "--seeds", "1", "--warmup", "0", "--iterations", "3")
    run(monkeypatch, "--device", "cpu", *lengths)
    content = json.loads((folder / "metrics/gpu.json").read_text())
    training, (batch, frame) = content["results"]["training"], content["results"]["latency"]
    assert (training["reference"]["steps"], training["short"]["steps_per_epoch"]) == (2, 1)
    assert training["short"]["seconds"] == [None]
    assert training["reference"]["seconds_per_epoch"] > training["reference"]["seconds"]
    assert (batch["scale"], batch["input_shape"]) == (4, [2, 1, 12, 12])
    assert frame["variants"]["plain"]["speedup"] == 1
    assert 0 < frame["variants"]["sub-pixel"]["largest_difference"] < 1e-5
    assert frame["variants"][GRAPHS] == {"not_timed": "no CUDA on cpu"}
    text = markdown([], [], FRAMEWORKS, content, {})
    assert f"| **ours, {GRAPHS}** | {content['device_name']} | not timed: no CUDA on cpu |" in text
    assert "| 2×1×12×12 at ×4, ms | 1×1×20×70 at ×2, ms |" in text


def test_an_absent_device_leaves_the_file_as_it_was(folder, monkeypatch):
    monkeypatch.setattr("fsrcnn.device.is_available", lambda _: False)
    with pytest.raises(InputError, match="cuda is not available"):
        run(monkeypatch)
    assert not (folder / "metrics").exists()


def test_graphs_are_asked_of_the_compiler(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda module, **options: asked.append(options) or module)
    calls, missing = gpu.variants(load_pretrained(4), CPU, graphs=True)
    assert asked == [{"mode": "reduce-overhead", "dynamic": False}] * 2
    assert list(missing) == [gpu.FUSED, gpu.FUSED + gpu.GRAPHS]
    assert all("no backend cuda" in result["not_timed"] for result in missing.values())
    results = gpu.measure_latency(calls, torch.full((1, 1, 8, 8), 0.5), CPU, 0, 1)
    assert results[GRAPHS]["latency_ms"]["median"] > 0
    assert list(results) == list(calls)


def off_by(difference: float):
    return lambda y: y + difference


def fails(_: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("no\nTriton")


@pytest.mark.parametrize(
    ("name", "call", "reason"),
    [
        ("sub-pixel", off_by(2e-5), "differs from plain by 2.0e-05, more than 1e-05"),
        ("float16", off_by(2e-3), "differs from plain by 2.0e-03, more than 1e-03"),
        ("sub-pixel", off_by(float("nan")), "differs from plain by nan, more than 1e-05"),
        ("sub-pixel", fails, "RuntimeError: no Triton"),
    ],
)
def test_what_is_off_or_fails_gets_no_time(name, call, reason):
    calls = {"plain": off_by(0), name: call, "float16 too": off_by(5e-4)}
    results = gpu.measure_latency(calls, torch.zeros(1), CPU, 0, 1)
    assert results[name] == {"not_timed": reason}
    assert {"plain", "float16 too"} == {key for key in results if "speedup" in results[key]}


def test_a_batch_is_cut_from_a_mirrored_picture():
    luma = torch.arange(12.0).reshape(3, 4).numpy()
    batch = gpu.picture_of(luma, (2, 1, 2, 3))
    assert batch.tolist() == [[[[0, 1, 2], [4, 5, 6]]], [[[3, 3, 2], [7, 7, 6]]]]


def test_the_driver_is_what_its_tool_says(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu.driver_version() is None
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 570.1\necho 570.1\n")
    tool.chmod(0o755)
    assert gpu.driver_version() == "570.1"
