"""What a dead job left in MLflow ends; all else stays as it was."""

import end_lost_runs
from mlflow import MlflowClient

from fsrcnn.tracking import store


def test_only_runs_of_this_experiment_that_none_of_its_networks_names_end(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store.connect(tmp_path)
    client = MlflowClient()

    def run(status: str, experiment: str = "lr-3", commit: str = "a" * 40) -> str:
        tags = {"dvc_experiment": experiment, "git_commit": commit}
        run_id = client.create_run(store.experiment_id(), tags=tags).info.run_id
        if status != "RUNNING":
            client.set_terminated(run_id, status, 1)
        return run_id

    def states(*run_ids: str) -> list[str]:
        return [client.get_run(run_id).info.status for run_id in run_ids]

    killed_while_it_trained, killed_later, kept = run("RUNNING"), run("FINISHED"), run("FINISHED")
    others = [run("RUNNING", experiment="lr-2"), run("RUNNING", commit="b" * 40)]
    ended = end_lost_runs.end_lost_runs("lr-3", "a" * 40, {kept})
    assert set(ended) == {killed_while_it_trained, killed_later}
    assert states(killed_while_it_trained, killed_later, kept) == ["KILLED", "KILLED", "FINISHED"]
    assert states(*others) == ["RUNNING", "RUNNING"]
    assert client.get_run(killed_later).info.end_time == 1
