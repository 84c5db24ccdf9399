"""A team's set-up, for real: MLflow over HTTP on PostgreSQL, and a DVC remote."""

import subprocess
import sys
from pathlib import Path

import mlflow
import postgresql
import pytest
import torch
from mlflow import MlflowClient

from fsrcnn.network import checkpoint
from fsrcnn.network.model import FSRCNN
from fsrcnn.tracking import runs
from tests.mlflow_server import Server
from tests.project import Project


@pytest.fixture
def database():
    """The URI of a private PostgreSQL server."""
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    if not postgresql.installed():
        pytest.skip("PostgreSQL's server is not installed")
    with postgresql.running() as uri:
        yield uri


TRAINING = """
import sys
from pathlib import Path
from fsrcnn.tracking import runs
runs.connect(Path.cwd())
output = Path(f"models/{sys.argv[1]}.safetensors")
with runs.training_run(sys.argv[1], output=output, params={"a": 1}, tags={}) as run:
    for step in range(30):
        run.metrics(step, {"training/loss": float(step)})
"""


def test_tracking_server_on_postgresql(database, tmp_path, monkeypatch):
    server = Server(tmp_path, backend=database)
    server.start()
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        monkeypatch.chdir(tmp_path)
        runs.connect(tmp_path)
        workers = [subprocess.Popen([sys.executable, "-c", TRAINING, name]) for name in ("one", "two")]
        torch.manual_seed(1)
        weights = Path("models/three.safetensors")
        with runs.training_run("three", output=weights, params={}, tags={}) as run:
            checkpoint.save(FSRCNN(2, d=4, s=2, m=1), weights, {})
            run.model(weights)
        assert [worker.wait(120) for worker in workers] == [0, 0]

        found = mlflow.search_runs(experiment_names=["fsrcnn"], output_format="list")
        assert {run.info.run_name: run.info.status for run in found} == dict.fromkeys(
            ("one", "two", "three"), "FINISHED"
        )
        for run in found:
            if run.info.run_name != "three":
                assert len(MlflowClient().get_metric_history(run.info.run_id, "training/loss")) == 30
        (model,) = [run.outputs.model_outputs[0] for run in found if run.outputs.model_outputs]
        assert mlflow.pyfunc.load_model(f"models:/{model.model_id}").metadata.metadata["scale"] == "2"
        # The server keeps models too: no client needs more than its address.
        assert list((tmp_path / "artifacts").rglob("three.safetensors"))
    finally:
        server.kill()


def test_second_clone_gets_models_and_makes_its_data_without_training(project, tmp_path):
    project.dvc("remote", "add", "--default", "team", str(tmp_path / "remote"))
    project.commit("add a remote")
    project.dvc("push")
    clone = Project(tmp_path / "clone")
    project.git("clone", "--quiet", str(project.folder), str(clone.folder))
    clone.dvc("pull", "--allow-missing")
    for name in ("models/x4/scratch.safetensors", "models/x3/scratch.json", "plots/comparison.png"):
        assert (clone.folder / name).read_bytes() == (project.folder / name).read_bytes()
    assert not list(clone.folder.glob("data/**/*.h5"))
    ran = [line for line in clone.dvc("repro").splitlines() if line.startswith("Running stage")]
    # What is not pushed is made anew: the data, and the network's other forms.
    assert all(any(name in line for name in ("sources@", "download@", "'export'")) for line in ran), ran
    assert not (clone.folder / "mlflow.db").exists()
