"""A whole project with tiny settings, for the tests that need a pipeline that ran."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import mlflow
import yaml

ROOT = Path(__file__).resolve().parents[1]
TINY = {
    "data.source": "sample",
    "train.compile": False,
    "train.epochs": 2,
    "train.steps_per_epoch": 15,
    "train.batch_size": 4,
    "train.warmup_steps": 5,
    "train.validation_share": 0.2,
    "finetune.epochs": 1,
    "benchmark.batch_size": 1,
    "benchmark.warmup": 1,
    "benchmark.iterations": 5,
    "benchmark.frames": 1,
}


def _is_result(name: str) -> bool:
    """Whether the pipeline writes the file; the report reads what was measured besides, and the records."""
    kept = ("metrics/frameworks.json", "metrics/gpu.json", "metrics/record/")
    return name.startswith("metrics/") and not name.startswith(kept)


class Project:
    """A repository of this project, in which Git and DVC can be run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def new(cls, folder: Path, changes: Mapping[str, object] = TINY) -> "Project":
        """A copy of this repository's working tree with a Git history and some parameters changed."""
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.check_output(listed, cwd=ROOT, text=True).splitlines():
            if (ROOT / name).is_file() and name != "dvc.lock" and not _is_result(name):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        params = yaml.safe_load((folder / "params.yaml").read_text())
        for path, value in changes.items():
            section, key = path.split(".")
            params[section][key] = value
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        project = cls(folder)
        project.git("init", "--quiet")
        project.commit("start")
        return project

    def run(self, *command: str) -> str:
        bin_folder = str(Path(sys.executable).parent)
        environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
        environment["TORCHDYNAMO_DISABLE"] = "1"  # to compile takes longer than all else
        for name in ("FSRCNN_MIRROR", "MLFLOW_TRACKING_URI"):
            environment.pop(name, None)
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        return self.run("git", *identity, *arguments)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def dvc(self, *arguments: str) -> str:
        return self.run("dvc", *arguments)

    def metrics(self, name: str) -> dict:
        return json.loads((self.folder / "metrics" / f"{name}.json").read_text())

    def all_runs(self) -> list[mlflow.entities.Run]:
        """MLflow's runs, from this project's store, which is then chosen: another test may have set one."""
        uri = f"sqlite:///{self.folder}/mlflow.db"
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        return mlflow.search_runs(experiment_names=["fsrcnn"], output_format="list")

    def runs(self) -> dict[str, mlflow.entities.Run]:
        """MLflow runs by scale and kind, experiments' aside; fails when two are of the same."""
        found = [run for run in self.all_runs() if "dvc_experiment" not in run.data.tags]
        named = {f"x{run.data.tags['scale']} {run.data.tags['kind']}": run for run in found}
        assert len(named) == len(found)
        return named
