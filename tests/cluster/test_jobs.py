"""The jobs without their clusters: what each hands to cluster/experiment.sh, and that a push comes last."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.project import ROOT

FOLDER = ROOT / "cluster"
EXPERIMENTS = "first -S scale=3\nsecond -S scale=2 -S train.epochs=1\n"
PRINT_ARGUMENTS = '#!/bin/bash\nprintf "%s\\n" "$@"\n'


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def bash(*arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    return subprocess.check_output(["git", *identity, *arguments], cwd=folder, text=True).strip()


def test_slurm_task_takes_its_line(tmp_path):
    program(tmp_path / "cluster/experiment.sh", PRINT_ARGUMENTS)
    (tmp_path / "experiments.txt").write_text(EXPERIMENTS)
    script, task = FOLDER / "slurm.sh", {"SLURM_ARRAY_TASK_ID": "2", "SLURM_CPUS_PER_TASK": "1"}
    done = bash(script, "URL", "COMMIT", "experiments.txt", cwd=tmp_path, **task)
    assert done.stdout.split() == ["URL", "COMMIT", *EXPERIMENTS.splitlines()[1].split()], done.stderr


def test_skypilot_task(tmp_path):
    task = yaml.safe_load((FOLDER / "skypilot.yaml").read_text())
    assert task.keys() == {"name", "resources", "workdir", "envs", "setup", "run"}
    assert set(task["envs"].values()) == {None}
    program(tmp_path / "cluster/experiment.sh", PRINT_ARGUMENTS)
    program(tmp_path / ".venv/bin/activate", "")
    variables = {name: name for name in task["envs"]} | {"EXPERIMENT": EXPERIMENTS.splitlines()[1]}
    done = bash("-c", task["run"], cwd=tmp_path, **variables)
    assert done.stdout.split() == ["GIT_URL", "COMMIT", *variables["EXPERIMENT"].split()], done.stderr


@pytest.fixture
def job(tmp_path):
    """Runs cluster/experiment.sh with programs that only note that they were called, and may fail."""
    repository, programs, log = tmp_path / "repository", tmp_path / "bin", tmp_path / "log"
    repository.mkdir()
    git(repository, "init", "--quiet")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "start")

    def run(failing: str = "nothing") -> tuple[int, list[str]]:
        for name in ("dvc", "python"):
            program(
                programs / name, f'#!/bin/bash\necho "{name} $*" >> {log}\n[[ "{name} $*" != {failing}* ]]\n'
            )
        log.write_text("")
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        (tmp_path / "tmp").mkdir(exist_ok=True)
        script = ("-c", (FOLDER / "experiment.sh").read_text(), "experiment.sh")  # as Ray's worker runs it
        arguments = (repository, git(repository, "rev-parse", "HEAD"), "name", "-S", "scale=2")
        places = {"PATH": path, "TMPDIR": str(tmp_path / "tmp"), "MLFLOW_TRACKING_URI": "http://nowhere"}
        done = bash(*script, *arguments, cwd=tmp_path, **places)
        assert not list((tmp_path / "tmp").iterdir())  # the clone is gone
        return done.returncode, log.read_text().splitlines()

    run.repository = repository
    return run


def test_the_experiment_enters_the_git_remote_last(job):
    status, called = job()
    assert (status, called) == (
        0,
        [
            "dvc exp run --pull --name name -S scale=2",
            "python scripts/send_tracking.py",
            "python cluster/end_lost_runs.py name",
            "dvc push --run-cache",
            "dvc exp push --no-cache origin name",
        ],
    )


@pytest.mark.parametrize("step", ["dvc\\ exp\\ run", "python\\ scripts", "python\\ cluster", "dvc\\ push"])
def test_nothing_is_pushed_after_a_failure(job, step):
    status, called = job(step)
    assert status != 0
    assert called[-1].startswith(step.replace("\\", ""))


def test_an_experiment_that_is_pushed_is_not_run_again(job):
    commit = git(job.repository, "rev-parse", "HEAD")
    git(job.repository, "update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/name", commit)
    assert job() == (0, [])
    git(job.repository, "commit", "--quiet", "--allow-empty", "--message", "next")
    assert len(job()[1]) == 5  # of another commit it is another one


def test_scripts_named_in_the_job_exist():
    text = (FOLDER / "experiment.sh").read_text()
    for path in re.findall(r"^python (\S+)", text, re.MULTILINE):
        assert (ROOT / path).is_file()
