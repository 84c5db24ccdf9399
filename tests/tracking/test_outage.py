"""Tracking when the server dies, or the training does: nothing is lost and nothing comes twice."""

import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import evaluate
import mlflow
import promote
import pytest
import torch
import yaml
from mlflow import MlflowClient

from fsrcnn import files
from fsrcnn.data import hdf5
from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.pairs import make_pair
from fsrcnn.download.samples import EVALUATION, photographs
from fsrcnn.errors import InputError
from fsrcnn.evaluation.comparison import draw_comparison
from fsrcnn.network import checkpoint
from fsrcnn.network.model import FSRCNN
from fsrcnn.tracking import registry, runs, store
from fsrcnn.tracking.record import Candidate
from fsrcnn.tracking.sync import sync
from tests.mlflow_server import Server
from tests.project import ROOT

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
    runs.connect(tmp_path)
    return tmp_path


def save_weights(path: Path = OUTPUT, seed: int = 1) -> None:
    torch.manual_seed(seed)
    checkpoint.save(FSRCNN(2, d=4, s=2, m=1), path, {})


def left(root: Path) -> list[Path]:
    return list((root / "records").glob("*"))


def curve(run_id: str, name: str = "training/loss") -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in MlflowClient().get_metric_history(run_id, name)]


def only_run():
    (run,) = mlflow.search_runs(experiment_names=[store.EXPERIMENT], output_format="list")
    return run


def test_server_dies_half_way(server, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    runs.connect(tmp_path)
    with runs.training_run("run", output=OUTPUT, params={"a": 1}, tags={}) as run:
        for epoch in EPOCHS:
            if epoch == 3:
                server.kill()
                started = time.monotonic()
            run.metrics(epoch, {"training/loss": 1 / epoch})
        save_weights()
        run.model(OUTPUT)
    assert time.monotonic() - started < 30
    assert "scripts/send_tracking.py" in caplog.text
    runs.add_to_run(OUTPUT, {"Set5/psnr": 30.5})
    assert left(tmp_path)
    with pytest.raises(InputError, match="start its server"):
        runs.connect(tmp_path)

    server.start()
    assert runs.connect(tmp_path) == (0, [])
    run = only_run()
    assert run.info.status == "FINISHED"
    assert curve(run.info.run_id) == [(epoch, 1 / epoch) for epoch in EPOCHS]
    assert curve(run.info.run_id, "Set5/psnr") == [(0, 30.5)]
    assert run.data.tags["weights_sha256"] == files.sha256(OUTPUT)
    assert mlflow.pyfunc.load_model(f"models:/{run.outputs.model_outputs[-1].model_id}")
    assert left(tmp_path) == []


def test_server_dies_before_an_evaluation_is_logged(server, tmp_path, monkeypatch):
    params = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"scale": 2, "device": "cpu"}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    ((name, photograph),) = photographs(EVALUATION[:1])
    data, pair = Path("data/x2"), Pair(*make_pair(photograph, 2, "resize"), name)
    hdf5.write_pairs(data / "evaluation/Set5_reference.h5", [pair], 2, source="Set5", made="for a test")
    files.write_json(data / "sources.json", {"train": {"91-image": {}}, "evaluation": {"Set5": {}}})
    runs.connect(tmp_path)
    made = {}
    for seed, kind in enumerate(evaluate.KINDS):
        output = Path(f"models/x2/{kind}.safetensors")
        with runs.training_run(kind, output=output, params={}, tags={}) as run:
            save_weights(output, seed)
            run.model(output)
        made[kind] = run.id

    def draw_and_end_the_server(*arguments):
        draw_comparison(*arguments)
        server.kill()

    monkeypatch.setattr(evaluate, "draw_comparison", draw_and_end_the_server)
    evaluate.evaluate_networks()
    scores = json.loads(Path("metrics/evaluate.json").read_text())["Set5"]["reference"]
    server.start()
    for _ in range(2):
        assert runs.connect(tmp_path) == (0, [])
        assert left(tmp_path) == []
    for kind, run_id in made.items():
        assert curve(run_id, "Set5/reference/psnr") == [(0, scores[kind]["psnr"])]
    (figure,) = MlflowClient().list_artifacts(made["scratch"], "figures")
    assert figure.path == "figures/comparison.png"

    def register_without_server(*arguments):
        server.kill()
        return register(*arguments)

    evaluation = json.loads(Path("metrics/evaluate.json").read_text())
    evaluation["Set5"]["reference"]["bicubic"]["psnr"] = 0.0  # below untrained networks
    Path("metrics/evaluate.json").write_text(json.dumps(evaluation))
    register = registry.register
    monkeypatch.setattr(registry, "register", register_without_server)
    promote.promote()
    monkeypatch.setattr(registry, "register", register)
    assert Path("metrics/promotion.json").exists()
    server.start()
    for _ in range(2):
        assert runs.connect(tmp_path) == (0, [])
        assert left(tmp_path) == []
    versions = {version.run_id: version for version in MlflowClient().search_model_versions()}
    assert set(versions) == set(made.values())
    best = max(made, key=lambda kind: scores[kind]["psnr"])
    champion = MlflowClient().get_model_version_by_alias("fsrcnn-x2", registry.CHAMPION)
    assert champion.version == versions[made[best]].version


TRAINING = """
import os, signal, sys
from pathlib import Path
from fsrcnn.tracking import runs
runs.connect(Path.cwd())
with runs.training_run("run", output=Path("models/x2/scratch.safetensors"), params={}, tags={},
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
        runs.training_run("run", output=OUTPUT, params={}, tags={}) as run,
    ):
        run.metrics(epoch, {"training/loss": 1.0})
        raise KeyboardInterrupt
    return run.id


def test_interrupted_training_goes_on_in_its_run(local_store):
    first = interrupted(1)
    assert MlflowClient().get_run(first).info.status == "KILLED"
    assert runs.connect(local_store) == (0, [first])
    with runs.training_run("run", output=OUTPUT, params={}, tags={}, resume=True) as run:
        assert MlflowClient().get_run(first).info.status == "RUNNING"
        run.metrics(2, {"training/loss": 0.5})
    assert (run.id, curve(first)) == (first, [(1, 1.0), (2, 0.5)])
    assert MlflowClient().get_run(first).info.status == "FINISHED"
    assert left(local_store) == []


def test_training_that_starts_anew_is_another_run(local_store):
    first = interrupted(1)
    with runs.training_run("run", output=OUTPUT, params={}, tags={}) as run:
        pass
    assert run.id != first
    assert MlflowClient().get_run(first).info.status == "KILLED"
    assert left(local_store) == []


def test_record_of_a_vanished_working_copy_is_dropped(local_store):
    interrupted(1)
    OUTPUT.parent.rmdir()
    assert runs.connect(local_store) == (0, [])
    assert left(local_store) == []


@pytest.mark.parametrize("resume", [True, False])
def test_deleted_run_does_not_stop_the_next_training(local_store, resume):
    MlflowClient().delete_run(interrupted(1))
    with runs.training_run("run", output=OUTPUT, params={}, tags={}, resume=resume) as run:
        run.metrics(1, {"training/loss": 1.0})
    assert MlflowClient().get_run(run.id).info.status == "FINISHED"
    assert left(local_store) == []


def test_run_that_is_deleted_while_its_training_goes_on(local_store, caplog):
    with runs.training_run("run", output=OUTPUT, params={}, tags={}) as run:
        MlflowClient().delete_run(run.id)
        for epoch in EPOCHS:
            run.metrics(epoch, {"training/loss": 1 / epoch})
        assert caplog.text.count("its run was deleted") == 1
    assert left(local_store) == []
    with runs.training_run("run", output=OUTPUT, params={}, tags={}) as run:
        pass
    assert only_run().info.run_id == run.id


def test_sync_again_changes_nothing(local_store):
    """As after a kill between sending something and noting that it was sent."""
    save_weights()
    data = runs.Dataset("91-image", Path("train.h5"), "ab" * 32, "here")
    with runs.training_run("run", output=OUTPUT, params={"a": 1}, tags={}, datasets=[data]) as run:
        for epoch in EPOCHS:
            run.record.sent, run.record.run_id = 0, None
            run.metrics(epoch, {"training/loss": 1 / epoch})
        run.model(OUTPUT)
        sync(run.record)
        run.model(OUTPUT)
    made = only_run()
    assert (made.info.run_id, made.info.status, made.data.params) == (run.id, "FINISHED", {"a": "1"})
    assert curve(run.id) == [(epoch, 1 / epoch) for epoch in EPOCHS]
    assert len(made.inputs.dataset_inputs) == len(made.outputs.model_outputs) == 1


def test_same_result_twice_is_one_point(local_store):
    save_weights()
    with runs.training_run("run", output=OUTPUT, params={}, tags={}) as run:
        run.model(OUTPUT)
    for value in (30.5, 30.5, 30.6):
        runs.add_to_run(OUTPUT, {"Set5/psnr": value})
    assert curve(run.id, "Set5/psnr") == [(0, 30.5), (0, 30.6)]


def test_server_dies_between_results_and_registry(local_store, monkeypatch):
    save_weights()
    with runs.training_run("run", output=OUTPUT, params={}, tags={}) as run:
        run.model(OUTPUT)
    candidate = Candidate(scale=2, psnr=30.5, data_digest="a" * 64)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_model_version", Mock(side_effect=OSError("the server is away")))
        runs.add_to_run(OUTPUT, {"Set5/psnr": 30.5})
        runs.promote(OUTPUT, candidate)
    OUTPUT.unlink()  # what is registered is the model that MLflow has
    assert runs.connect(local_store) == (0, [])
    assert curve(run.id, "Set5/psnr") == [(0, 30.5)]
    champion = MlflowClient().get_model_version_by_alias("fsrcnn-x2", registry.CHAMPION)
    assert champion.run_id == run.id
    assert left(local_store) == []
