import json
import subprocess
import sys

import mlflow
import pytest
import torch
from mlflow import MlflowClient

from fsrcnn import files
from fsrcnn.network import checkpoint
from fsrcnn.network.model import FSRCNN
from fsrcnn.tracking import registry, store
from fsrcnn.tracking.logged_model import log_model
from fsrcnn.tracking.record import Candidate

SET5, OTHER = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("root")


@pytest.fixture
def client(root, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store.connect(root)
    client = MlflowClient()
    yield client
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)


def trained(folder, seed):
    """Weights that a run has logged."""
    torch.manual_seed(seed)
    path = folder / f"{seed}.safetensors"
    checkpoint.save(FSRCNN(2, d=2, s=1, m=1), path, {})
    with mlflow.start_run():
        log_model(path)
    return path


def register(path, psnr, data_digest, *, eligible=True):
    candidate = Candidate(scale=2, psnr=psnr, data_digest=data_digest, description="d", eligible=eligible)
    return registry.register(files.sha256(path), candidate)


def champion(client):
    return client.get_model_version_by_alias("fsrcnn-x2", "champion").version


def test_champion_moves_to_a_higher_psnr_only(client, tmp_path):
    first, second, third = (trained(tmp_path, seed) for seed in (1, 2, 3))
    one = register(first, 30.5, SET5).version
    assert champion(client) == one
    for psnr in (30.4, 30.5):  # lower, equal
        register(second, psnr, SET5)
        assert champion(client) == one
    three = register(third, 30.6, SET5).version
    assert champion(client) == three
    assert len(client.search_model_versions("name = 'fsrcnn-x2'")) == 3
    assert mlflow.pyfunc.load_model("models:/fsrcnn-x2@champion").metadata.metadata["scale"] == "2"


def test_weights_evaluated_twice_are_one_version(client, tmp_path):
    path = trained(tmp_path, 4)
    versions = {register(path, psnr, SET5).version for psnr in (30.1, 30.2)}
    assert len(versions) == 1
    (version,) = client.search_model_versions("name = 'fsrcnn-x2'")
    assert version.tags[f"psnr_{SET5[:16]}"] == "30.2000"


def test_other_data_is_not_compared(client, tmp_path, caplog):
    first, second = trained(tmp_path, 5), trained(tmp_path, 6)
    one = register(first, 30.0, SET5).version
    with caplog.at_level("WARNING", logger="fsrcnn.tracking.registry"):
        two = register(second, 40.0, OTHER).version
    assert champion(client) == one
    assert "other data" in caplog.text
    # Once the champion has been scored on those data as well, they are compared.
    register(first, 39.0, OTHER)
    register(second, 40.0, OTHER)
    assert champion(client) == two


def test_what_is_not_eligible_is_registered_and_never_champion(client, tmp_path):
    first, second = trained(tmp_path, 7), trained(tmp_path, 8)
    version = register(first, 40.0, OTHER, eligible=False)
    assert client.get_registered_model("fsrcnn-x2").aliases == {}
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    (registered,) = json.loads(model.tags["mlflow.modelVersions"])  # as `mlflow.register_model` sets it
    assert (registered["name"], str(registered["version"])) == ("fsrcnn-x2", str(version.version))
    shown = client.get_model_version("fsrcnn-x2", version.version)
    assert (shown.description, shown.tags["weights_sha256"]) == ("d", files.sha256(first))
    two = register(second, 30.0, SET5).version
    register(first, 41.0, SET5, eligible=False)
    assert champion(client) == two


def test_weights_that_no_run_made(client, tmp_path):
    path = tmp_path / "foreign.safetensors"
    checkpoint.save(FSRCNN(2, d=2, s=1, m=1), path, {})
    assert register(path, 30.0, SET5) is None
    assert client.search_model_versions("name = 'fsrcnn-x2'") == []


def test_evaluations_at_the_same_time(client, root, tmp_path):
    """Four processes, each of which registers the same four networks in another order."""
    script = """
import sys
from pathlib import Path
from fsrcnn.tracking import registry
from fsrcnn.tracking import store
from fsrcnn.tracking.record import Candidate
store.connect(Path(sys.argv[1]))
for argument in sys.argv[2:]:
    weights, psnr = argument.split("=")
    registry.register(weights, Candidate(scale=2, psnr=float(psnr), data_digest="a" * 64))
"""
    jobs = [f"{files.sha256(trained(tmp_path, seed))}=30.{seed}" for seed in range(10, 14)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(root), *jobs[i:], *jobs[:i]], stderr=subprocess.PIPE, text=True
        )
        for i in range(len(jobs))
    ]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    versions = client.search_model_versions("name = 'fsrcnn-x2'")
    assert len(versions) == 4
    best = max(versions, key=lambda version: float(version.tags[f"psnr_{SET5[:16]}"]))
    assert champion(client) == best.version
