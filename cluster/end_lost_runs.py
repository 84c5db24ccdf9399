"""End the MLflow runs that a dead job of an experiment left.

    python cluster/end_lost_runs.py NAME

In the clone in which the experiment ran. The files beside its networks name the runs that made them; any
other run of the same experiment and commit was made by a job that died, whose clone is gone. It ends as
KILLED, also where it had FINISHED a network: nobody has that, and the experiment would be in MLflow twice.
"""

import json
import logging
import subprocess
import sys
from pathlib import Path

import mlflow
from mlflow import MlflowClient

from fsrcnn.errors import InputError
from fsrcnn.tracking import store
from fsrcnn.tracking.record import KILLED

REASON = "its job died, and the experiment ran again"


def end_lost_runs(experiment: str, commit: str, kept: set[str]) -> list[str]:
    """End all runs of a DVC experiment of a commit but those that are kept; returns which, by id."""
    condition = f"tags.dvc_experiment = '{experiment}' and tags.git_commit = '{commit}'"
    runs = mlflow.search_runs(
        experiment_names=[store.EXPERIMENT], filter_string=condition, output_format="list"
    )
    lost = [run for run in runs if run.info.run_id not in kept]
    for run in lost:
        MlflowClient().set_tag(run.info.run_id, "failure", REASON)
        MlflowClient().set_terminated(run.info.run_id, KILLED, run.info.end_time)
    return [run.info.run_id for run in lost]


def main() -> None:
    """End them, and say which."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    (experiment,) = sys.argv[1:]
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    kept = {json.loads(path.read_text())["run_id"] for path in Path("models").glob("x*/*.json")}
    try:
        store.connect(Path())
    except InputError as error:
        sys.exit(f"error: {error}")
    for run_id in end_lost_runs(experiment, commit, kept):
        print(f"run {run_id}: {REASON}")


if __name__ == "__main__":
    main()
