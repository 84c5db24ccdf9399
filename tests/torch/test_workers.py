"""Data-parallel training: two real processes, started as a user starts them."""

import json
import subprocess
import sys

import pytest
import yaml

from fsrcnn.errors import InputError
from fsrcnn.torch.workers import Workers
from tests.project import Project

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
STAGE = ("pipeline/train.py", "--scale", "4")


def test_two_workers_train_as_one(tmp_path):
    project = Project.new(tmp_path)
    path = project.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["train"] |= {"epochs": 2, "steps_per_epoch": 40, "precision": "float32", "optimizer": "adam"}
    params["train"] |= {"learning_rate": 0.001}  # so that rounding does not grow
    path.write_text(yaml.safe_dump(params))
    project.run(sys.executable, "pipeline/download.py", "--scale", "4")
    curves = []
    for launcher in ((sys.executable,), TORCHRUN):
        project.run(*launcher, *STAGE)
        curves.append(json.loads((project.folder / "models/x4/scratch.json").read_text())["curve"])
    for alone, shared in zip(*curves, strict=True):
        assert shared["loss"] == pytest.approx(alone["loss"], rel=1e-3)
        assert shared["validation_psnr"] == pytest.approx(alone["validation_psnr"], abs=0.02)

    assert len(project.all_runs()) == 2


def test_a_batch_that_cannot_be_shared_stops_all_workers(tmp_path):
    project = Project.new(tmp_path)
    path = project.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["train"]["batch_size"] = 3
    path.write_text(yaml.safe_dump(params))
    project.run(sys.executable, "pipeline/download.py", "--scale", "4")
    done = subprocess.run(
        [*TORCHRUN, *STAGE], cwd=project.folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode != 0
    assert "error: train.batch_size: 3 can't be shared by 2 workers; make it a multiple" in done.stderr


def test_parts_make_up_the_batch():
    parts = [Workers(rank, 4).part(16) for rank in range(4)]
    assert [list(range(16))[part] for part in parts] == [list(range(i, i + 4)) for i in (0, 4, 8, 12)]
    with pytest.raises(InputError, match=r"train\.batch_size: 16 can't be shared by 3 workers"):
        Workers(0, 3).part(16)
