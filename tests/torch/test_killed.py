"""A training that is killed, again and again: it ends as if nothing had happened.

FSRCNN_KILLS=20 pytest tests/test_killed.py      # the number of kills; twice without it
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import yaml
from mlflow import MlflowClient

from fsrcnn.files import sha256
from tests.project import Project

KILLS = int(os.environ.get("FSRCNN_KILLS", "2"))
EPOCHS = max(6, KILLS)
STAGE = (sys.executable, "pipeline/train.py", "--scale", "4")
STATE, WEIGHTS = "models/x4/scratch.state", "models/x4/scratch.safetensors"


@pytest.fixture(scope="module")
def long_project(tmp_path_factory):
    project = Project.new(tmp_path_factory.mktemp("project"))
    path = project.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["train"] |= {"epochs": EPOCHS, "steps_per_epoch": 60}
    path.write_text(yaml.safe_dump(params))
    project.run(sys.executable, "pipeline/download.py", "--scale", "4")
    return project


def started(project: Project, then: float) -> subprocess.Popen:
    """The stage, running, `then` seconds after it first wrote its state."""
    state = project.folder / STATE
    before = state.stat().st_mtime_ns if state.exists() else 0
    process = subprocess.Popen(STAGE, cwd=project.folder, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and (not state.exists() or state.stat().st_mtime_ns == before):
        time.sleep(0.01)
    time.sleep(then)
    return process


def test_a_killed_training_ends_with_the_same_weights_in_one_run(long_project):
    project = long_project
    project.run(*STAGE)
    undisturbed = sha256(project.folder / WEIGHTS)
    (first,) = project.runs().values()
    (project.folder / WEIGHTS).unlink()

    chance = random.Random(1)
    for _ in range(KILLS):
        process = started(project, chance.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the training ended before it was killed"
    assert not (project.folder / WEIGHTS).exists()
    project = long_project
    project.run(*STAGE)

    assert sha256(project.folder / WEIGHTS) == undisturbed
    assert not (project.folder / STATE).exists()
    (second,) = (run for run in project.all_runs() if run.info.run_id != first.info.run_id)
    assert second.info.status == "FINISHED"
    # In the order of steps, as charts draw them: a point that a kill kept from being sent comes last.
    curves = [
        sorted((m.step, m.value) for m in MlflowClient().get_metric_history(run.info.run_id, "training/loss"))
        for run in (first, second)
    ]
    assert [step for step, _ in curves[1]] == list(range(1, EPOCHS + 1))
    assert curves[0] == curves[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_stops_at_once_and_says_how_to_go_on(long_project, number):
    project = long_project
    process = started(project, 0.1)
    process.send_signal(number)
    _, messages = process.communicate(timeout=120)  # most of it MLflow's farewell
    assert process.returncode == 130
    last = messages.strip().splitlines()[-1]
    assert "training interrupted after step" in last and f"run it again to go on from {STATE}" in last
    assert (project.folder / STATE).exists()
