"""Tracking when the server dies, or the training does: nothing is lost and nothing comes twice."""

import logging
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
import torch
from mlflow import MlflowClient

from fsrcnn import checkpoint, files, store, tracking
from fsrcnn.errors import InputError
from fsrcnn.model import FSRCNN
from tests.mlflow_server import Server

OUTPUT = Path("models/x2/scratch.safetensors")
EPOCHS = [1, 2, 3, 4]


@pytest.fixture
def server(tmp_path, monkeypatch):
    server = Server(tmp_path)
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.chdir(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def local_store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    tracking.connect(tmp_path)
    return tmp_path


def save_weights() -> None:
    torch.manual_seed(1)
    checkpoint.save(FSRCNN(2, d=4, s=2, m=1), OUTPUT, {})


def left(root: Path) -> list[Path]:
    return list((root / "outbox").glob("*"))


def curve(run_id: str, name: str = "training/loss") -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in MlflowClient().get_metric_history(run_id, name)]


def only_run():
    (run,) = mlflow.search_runs(experiment_names=[store.EXPERIMENT], output_format="list")
    return run


def test_server_dies_half_way(server, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    tracking.connect(tmp_path)
    with tracking.training_run("run", output=OUTPUT, params={"a": 1}, tags={}) as run:
        for epoch in EPOCHS:
            if epoch == 3:
                server.kill()
                started = time.monotonic()
            run.metrics(epoch, {"training/loss": 1 / epoch})
        save_weights()
        run.model(OUTPUT)
    assert time.monotonic() - started < 30
    assert "scripts/send_tracking.py" in caplog.text
    assert tracking.add_to_run(OUTPUT, {"Set5/psnr": 30.5})
    assert left(tmp_path)
    with pytest.raises(InputError, match="start its server"):
        tracking.connect(tmp_path)

    server.start()
    assert tracking.connect(tmp_path) == (0, [])
    run = only_run()
    assert run.info.status == "FINISHED"
    assert curve(run.info.run_id) == [(epoch, 1 / epoch) for epoch in EPOCHS]
    assert curve(run.info.run_id, "Set5/psnr") == [(0, 30.5)]
    assert run.data.tags["weights_sha256"] == files.sha256(OUTPUT)
    assert mlflow.pyfunc.load_model(f"models:/{run.outputs.model_outputs[-1].model_id}")
    assert left(tmp_path) == []


TRAINING = """
import os, signal, sys
from pathlib import Path
from fsrcnn import tracking
tracking.connect(Path.cwd())
with tracking.training_run("run", output=Path("models/x2/scratch.safetensors"), params={}, tags={},
                           resume=True) as run:
    for epoch in map(int, sys.argv[1].split(",")):
        run.metrics(epoch, {"training/loss": 1 / epoch})
    if "kill" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_training_goes_on_in_its_run(local_store):
    for epochs, *kill in (("1,2", "kill"), ("2,3", "kill"), ("1,2,3,4",)):
        done = subprocess.run([sys.executable, "-c", TRAINING, epochs, *kill], check=False)
        assert done.returncode == (-9 if kill else 0)
        assert bool(left(local_store)) == bool(kill)
    run = only_run()
    assert run.info.status == "FINISHED"
    assert curve(run.info.run_id) == [(epoch, 1 / epoch) for epoch in EPOCHS]


def interrupted(epoch: int) -> str:
    with (
        pytest.raises(KeyboardInterrupt),
        tracking.training_run("run", output=OUTPUT, params={}, tags={}) as run,
    ):
        run.metrics(epoch, {"training/loss": 1.0})
        raise KeyboardInterrupt
    return run.id


def test_interrupted_training_goes_on_in_its_run(local_store):
    first = interrupted(1)
    assert MlflowClient().get_run(first).info.status == "KILLED"
    assert tracking.connect(local_store) == (0, [first])
    with tracking.training_run("run", output=OUTPUT, params={}, tags={}, resume=True) as run:
        assert MlflowClient().get_run(first).info.status == "RUNNING"
        run.metrics(2, {"training/loss": 0.5})
    assert (run.id, curve(first)) == (first, [(1, 1.0), (2, 0.5)])
    assert MlflowClient().get_run(first).info.status == "FINISHED"
    assert left(local_store) == []


def test_training_that_starts_anew_is_another_run(local_store):
    first = interrupted(1)
    with tracking.training_run("run", output=OUTPUT, params={}, tags={}) as run:
        pass
    assert run.id != first
    assert MlflowClient().get_run(first).info.status == "KILLED"
    assert left(local_store) == []


def test_entry_of_a_vanished_working_copy_or_run_is_dropped(local_store):
    interrupted(1)
    OUTPUT.parent.rmdir()
    assert tracking.connect(local_store) == (0, [])
    MlflowClient().delete_run(interrupted(1))
    with tracking.training_run("run", output=OUTPUT, params={}, tags={}, resume=True) as run:
        run.metrics(1, {"training/loss": 1.0})
    assert MlflowClient().get_run(run.id).info.status == "FINISHED"
    assert left(local_store) == []


def test_same_result_twice_is_one_point(local_store):
    save_weights()
    with tracking.training_run("run", output=OUTPUT, params={}, tags={}) as run:
        run.model(OUTPUT)
    for value in (30.5, 30.5, 30.6):
        assert tracking.add_to_run(OUTPUT, {"Set5/psnr": value})
    assert curve(run.id, "Set5/psnr") == [(0, 30.5), (0, 30.6)]
