"""Eight experiments on a Ray cluster, one node of which is killed: what Git, DVC and MLflow have at the end.

    python benchmarks/experiments.py

A team's set-up on this machine: MLflow's server on PostgreSQL, a Git remote and a DVC remote in folders;
jobs of cluster/experiment.sh, given by cluster/ray_jobs.py. One experiment, which trains the source of all
transfers, goes first; then seven at once. Needs Debian's `postgresql`, psycopg2, network namespaces
(ray_cluster.py), and a Git repository in which this is committed.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import postgresql
import yaml
from dvc.api import DVCFileSystem
from mlflow.entities import Run
from ray_cluster import Cluster, possible, running

from fsrcnn.system import processor_name, usable_cores
from fsrcnn.tracking.store import EXPERIMENT

ROOT = Path(__file__).resolve().parents[1]
NODES = 3
PORT = 5000  # in the namespace nobody else has it
SERVER = f"http://127.0.0.1:{PORT}"
SOURCE = 3  # scale of the network that all transfers start from
FIRST = "x3"
SCALES = {"x3": 3, "x2": 2, "x4": 4, "x3-slow": 3, "x2-slow": 2, "x4-slow": 4, "x2-fast": 2, "x4-fast": 4}
RATES = {"slow": 0.003, "fast": 0.03}
TRAIN = {"epochs": 2, "steps_per_epoch": 40, "batch_size": 4, "warmup_steps": 5, "validation_share": 0.2}


def line(name: str) -> str:
    """The experiment as cluster/ray_jobs.py reads it, up to the stage `evaluate`."""
    rate = RATES.get(name.partition("-")[2])
    changed = f" -S finetune.learning_rate={rate}" if rate else ""
    return f"{name} -S scale={SCALES[name]}{changed} evaluate\n"


def networks(name: str) -> set[str]:
    """The networks of an experiment, as their files in models/ are called."""
    return {f"x{SOURCE}/scratch", *(f"x{SCALES[name]}/{kind}" for kind in ("scratch", "transfer"))}


def run(*command: object, cwd: Path) -> str:
    """What a command prints."""
    done = subprocess.run([*map(str, command)], cwd=cwd, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def make_remotes(folder: Path) -> tuple[Path, str]:
    """The team's Git remote, with the DVC remote beside it; returns it, and its commit."""
    project, team = folder / "project", folder / "team.git"
    run("git", "clone", "--quiet", ROOT, project, cwd=folder)
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["data"]["source"] = "sample"
    params["train"] |= {**TRAIN, "compile": False}
    params["finetune"]["epochs"] = 1
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run("dvc", "remote", "add", "--default", "team", folder / "dvc", cwd=project)
    identity = ("-c", "user.name=team", "-c", "user.email=team@example.com")
    run("git", *identity, "commit", "--quiet", "--all", "--message", "A team's remote", cwd=project)
    run("git", "clone", "--quiet", "--bare", project, team, cwd=folder)
    return team, run("git", "rev-parse", "HEAD", cwd=project)


@contextmanager
def mlflow_server(cluster: Cluster, database: str, folder: Path) -> Iterator[None]:
    """MLflow's server, beside the cluster."""
    place = ("--host", "127.0.0.1", "--port", PORT, "--workers", 1)
    stores = ("--backend-store-uri", database, "--artifacts-destination", folder / "artifacts")
    with (folder / "server.log").open("wb") as log:
        command = cluster.command(sys.executable, "-m", "mlflow", "server", *place, *stores)
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    ask = (sys.executable, "-c", f"from urllib.request import urlopen; urlopen('{SERVER}/health')")
    try:
        while cluster.run(*ask).returncode:
            if process.poll() is not None:
                sys.exit((folder / "server.log").read_text())
            time.sleep(1)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def give(cluster: Cluster, lines: str, team: Path, commit: str) -> "subprocess.Popen[str]":
    """Start cluster/ray_jobs.py with these experiments."""
    environment = {**os.environ, "RAY_ADDRESS": cluster.address, "MLFLOW_TRACKING_URI": SERVER}
    process = subprocess.Popen(
        cluster.command(sys.executable, ROOT / "cluster/ray_jobs.py", team, commit),
        stdin=subprocess.PIPE,
        stdout=sys.stderr,
        env=environment,
        text=True,
    )
    assert process.stdin
    process.stdin.write(lines)
    process.stdin.close()
    return process


def found(condition: str) -> list[Run]:
    """MLflow's runs."""
    return mlflow.search_runs(experiment_names=[EXPERIMENT], filter_string=condition, output_format="list")


def run_all(cluster: Cluster, team: Path, commit: str) -> None:
    """All experiments; a node is killed while at least two of them train."""
    if give(cluster, line(FIRST), team, commit).wait():
        sys.exit("the first experiment failed")
    driver = give(cluster, "".join(line(name) for name in SCALES if name != FIRST), team, commit)
    while len(found("attributes.status = 'RUNNING'")) < 2:
        if driver.poll() is not None:
            sys.exit("the experiments ended before a node was killed")
        time.sleep(0.5)
    cluster.replace_node()
    if driver.wait():
        sys.exit("an experiment failed")


def pulled(clone: Path, name: str, network: str) -> bool:
    """Whether the DVC remote gives a network's weights, and MLflow knows who made them."""
    files = DVCFileSystem(str(clone), rev=name)
    record = json.loads(files.read_bytes(f"models/{network}.json"))
    digest = hashlib.sha256(files.read_bytes(f"models/{network}.safetensors")).hexdigest()
    made = mlflow.get_run(record["run_id"])
    known = (made.info.status, made.data.tags.get("weights_sha256")) == ("FINISHED", digest)
    return known and digest == record["weights_sha256"]


def report(folder: Path, team: Path) -> bool:
    """Print the table of what a fresh clone and MLflow say; returns whether all is as it should be."""
    clone = folder / "fresh"
    run("git", "clone", "--quiet", team, clone, cwd=folder)
    run("dvc", "exp", "pull", "origin", cwd=clone)
    listed = run("dvc", "exp", "list", "--name-only", cwd=clone).split()
    print("| experiment | `dvc exp list` | trained | from others | runs FINISHED | KILLED | pulled |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    good = sorted(listed) == sorted(SCALES)
    for name in SCALES:
        runs = found(f"tags.dvc_experiment = '{name}'")
        states = [each.info.status for each in runs]
        trained = [
            f"x{each.data.tags['scale']}/{each.data.tags['kind']}"
            for each in runs
            if each.info.status == "FINISHED"
        ]
        others = networks(name) - set(trained)
        whole = [network for network in networks(name) if pulled(clone, name, network)]
        print(
            f"| {name} | {'yes' if name in listed else 'no'} | {', '.join(sorted(trained))} "
            f"| {', '.join(sorted(others))} | {len(trained)} | {states.count('KILLED')} "
            f"| {len(whole)} of {len(networks(name))} |"
        )
        good &= set(trained) <= networks(name) and len(trained) == len(set(trained))
        good &= len(trained) + states.count("KILLED") == len(states)
        good &= len(whole) == len(networks(name))
        if name != FIRST:
            sources = [each for each in runs if each.data.tags["scale"] == str(SOURCE)]
            good &= not any(each.data.tags["kind"] == "scratch" for each in sources)
    return good


def main() -> None:
    """Print a Markdown table."""
    if not possible():
        sys.exit("no network namespaces here, and Ray listens on all interfaces")
    os.environ |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TORCHDYNAMO_DISABLE": "1",
    }
    with tempfile.TemporaryDirectory() as name, postgresql.running() as database:
        folder = Path(name)
        team, commit = make_remotes(folder)
        (folder / "tmp").mkdir()
        os.environ["TMPDIR"] = str(folder / "tmp")  # the clones of killed jobs go with it
        mlflow.set_tracking_uri(database)
        with running(NODES) as cluster, mlflow_server(cluster, database, folder):
            begin = time.perf_counter()
            run_all(cluster, team, commit)
            seconds = time.perf_counter() - begin
        print(f"{processor_name()}, {usable_cores()} cores; {NODES} nodes, one killed; {seconds:.0f} s\n")
        if not report(folder, team):
            sys.exit("not as it should be")


if __name__ == "__main__":
    main()
