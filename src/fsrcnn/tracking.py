"""MLflow tracking: the one module that the stages talk to about runs, their models and metrics.

Call `connect` once at the start of a stage; then `training_run` records a training and `add_to_run`
adds the results of a later stage to the run that made the weights. A run is known by the SHA-256 of
its weights (tag `weights_sha256`), so that a stage needs the weights file and nothing else.
"""

import json
import logging
import os
import subprocess
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import numpy as np
from filelock import FileLock
from mlflow import MlflowClient, MlflowException, entities
from mlflow.entities import Metric
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

from fsrcnn import checkpoint, files
from fsrcnn.errors import InputError

log = logging.getLogger(__name__)

EXPERIMENT = "fsrcnn"
MODEL_PACKAGES = ("mlflow", "numpy", "pydantic", "safetensors", "torch")
DIGEST_LENGTH = 36  # hex digits; MLflow refuses a longer dataset digest


@dataclass(frozen=True)
class Dataset:
    """A data file that a run read.

    `source` says where the data came from: a link, or a path or name if there is none.
    """

    name: str
    path: Path
    sha256: str
    source: str
    context: str = "training"


@dataclass(frozen=True)
class Run:
    """The run that `training_run` keeps open."""

    id: str

    def metrics(self, step: int, /, **values: float) -> None:
        """Log the values of one step."""
        mlflow.log_metrics(values, step=step)

    def figure(self, path: Path) -> None:
        """Store an image, or another file to look at, with the run."""
        mlflow.log_artifact(str(path), "figures")

    def model(self, weights_path: Path) -> str:
        """Log a weights file as a model and return its URI, for `mlflow.pyfunc.load_model`.

        The model carries a copy of this package, so it also loads where that is not installed.
        """
        luma = TensorSpec(np.dtype(np.float32), (-1, 1, -1, -1))
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("mlflow_model.py")),
            artifacts={"weights": str(weights_path)},
            code_paths=[str(Path(__file__).parent)],
            signature=ModelSignature(Schema([luma]), Schema([luma])),
            input_example=np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 1, 16, 16),
            # Given, because MLflow would spend a minute on finding them out. A local version label
            # ("+cpu") is left out: the package index does not know it.
            pip_requirements=[f"{p}=={version(p).partition('+')[0]}" for p in MODEL_PACKAGES],
            metadata=checkpoint.read_metadata(weights_path),
        )
        mlflow.set_tag("weights_sha256", files.sha256(weights_path))
        return info.model_uri

    def started_from(self, weights_path: Path) -> None:
        """Record that training started from these weights, with a link to the run that made them.

        The link needs that run to be in the same store; otherwise only the digest is recorded.
        """
        digest = files.sha256(weights_path)
        tags = {"source_weights_sha256": digest}
        if source := _find_run(digest):
            info = source.info
            # A link that holds only a fragment works whatever address the UI is served from.
            url = f"#/experiments/{info.experiment_id}/runs/{info.run_id}"
            tags["source_run_id"] = info.run_id
            tags["mlflow.note.content"] = f"Started from the weights of [{info.run_name}]({url})."
        else:
            log.warning("no MLflow run made %s; the run has no link to its source", weights_path)
        mlflow.set_tags(tags)


def connect(root: Path) -> None:
    """Choose the store and the experiment for everything that follows; make them if need be.

    The store is what MLFLOW_TRACKING_URI names, else `mlflow.db` with `mlartifacts/` in `root`, the
    root of the repository. Several processes may call this at once. Also keeps MLflow quiet: what
    it prints of its own accord would drown the output of a stage; and its telemetry is off unless
    MLFLOW_DISABLE_TELEMETRY says otherwise.

    Raises `InputError` if the store can't be used, at once if its server does not answer.
    """
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_PRINT_MODEL_URLS_ON_CREATION", "false")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    logging.getLogger("mlflow").setLevel(logging.WARNING)

    default = f"sqlite:///{root.resolve()}/mlflow.db"
    uri = os.environ.get("MLFLOW_TRACKING_URI") or default
    # On a server, the server decides where artifacts lie.
    artifacts = (root.resolve() / "mlartifacts").as_uri() if uri == default else None
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        with _making_store(uri), _one_short_try():
            client = MlflowClient()
            experiment = client.get_experiment_by_name(EXPERIMENT)
            if experiment:
                mlflow.set_experiment(experiment_id=experiment.experiment_id)
            else:
                mlflow.set_experiment(experiment_id=client.create_experiment(EXPERIMENT, artifacts))
    except (MlflowException, OSError) as error:
        message = (
            f"can't use the MLflow store {uri}; start its server, or correct or unset "
            f"MLFLOW_TRACKING_URI ({_one_line(error)})"
        )
        user = urlsplit(uri).netloc.rpartition("@")[0]
        # MLflow's own messages, too, repeat the address with the password in it.
        raise InputError(message.replace(f"{user}@", "") if user else message) from None


@contextmanager
def training_run(
    name: str,
    *,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    datasets: Sequence[Dataset] = (),
) -> Iterator[Run]:
    """Record a training as a run, from start to end.

    Nested `params` get dotted names. The commit and the names that DVC gives to the experiment and
    the stage are added to `tags`. If the body raises, the run ends as FAILED with the reason in the
    tag `failure`; if it is interrupted from the keyboard, as KILLED.
    """
    active = mlflow.start_run(run_name=name, tags={**tags, **_code_tags()})
    run = Run(active.info.run_id)
    client = MlflowClient()
    try:
        mlflow.log_params(_flatten(params))
        client.log_inputs(run.id, [_dataset_input(dataset) for dataset in datasets])
        yield run
    except BaseException as error:
        try:
            if isinstance(error, KeyboardInterrupt):
                mlflow.end_run("KILLED")
            else:
                mlflow.end_run("FAILED")
                client.set_tag(run.id, "failure", _one_line(error))
        except MlflowException as second:
            # The first error is the one that a person must see.
            log.warning("MLflow did not record the failure: %s", _one_line(second))
        raise
    mlflow.end_run()


def add_to_run(weights_path: Path, metrics: Mapping[str, float], figures: Sequence[Path] = ()) -> bool:
    """Add metrics and figures to the latest run that logged these weights, and to its model.

    Metric names may contain "/". Without such a run, as with weights that come from another
    machine's cache, logs a warning and returns False: no run is made.
    """
    run = _find_run(files.sha256(weights_path))
    if run is None:
        log.warning("no MLflow run made %s; its results are not tracked", weights_path)
        return False
    client = MlflowClient()
    models = run.outputs.model_outputs if run.outputs else []
    model_id = models[0].model_id if models else None
    now = int(time.time() * 1000)
    batch = [Metric(name, value, now, 0, model_id=model_id) for name, value in metrics.items()]
    client.log_batch(run.info.run_id, metrics=batch)
    for figure in figures:
        client.log_artifact(run.info.run_id, str(figure), "figures")
    return True


def _find_run(weights_sha256: str) -> entities.Run | None:
    found = mlflow.search_runs(
        experiment_names=[EXPERIMENT],
        filter_string=f"tags.weights_sha256 = '{weights_sha256}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
        output_format="list",
    )
    return found[0] if found else None


def _making_store(uri: str) -> FileLock | nullcontext[None]:
    """A lock under which one process makes the tables of an SQLite store; MLflow takes none."""
    if not uri.startswith("sqlite:///"):
        return nullcontext()
    database = Path(uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{database}.lock")


@contextmanager
def _one_short_try() -> Iterator[None]:
    """Turn off MLflow's retries: good in the middle of a run, minutes of waiting at the start."""
    short = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
    before = {key: os.environ[key] for key in short if key in os.environ}
    os.environ.update(short)
    try:
        yield
    finally:
        for key in short:
            del os.environ[key]
        os.environ.update(before)


def _dataset_input(dataset: Dataset) -> entities.DatasetInput:
    is_link = dataset.source.startswith(("http://", "https://"))
    described = entities.Dataset(
        name=dataset.name,
        digest=dataset.sha256[:DIGEST_LENGTH],
        source_type="http" if is_link else "local",
        source=json.dumps({"url" if is_link else "uri": dataset.source}),
        profile=json.dumps({"path": str(dataset.path), "sha256": dataset.sha256}),
    )
    return entities.DatasetInput(described, [entities.InputTag("mlflow.data.context", dataset.context)])


def _flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _code_tags() -> dict[str, str]:
    """The commit, whether the code differs from it, and what DVC calls the experiment and stage."""
    names = {"dvc_experiment": "DVC_EXP_NAME", "dvc_stage": "DVC_STAGE"}
    tags = {tag: os.environ[name] for tag, name in names.items() if os.environ.get(name)}

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        tags["git_commit"] = git("rev-parse", "HEAD")
        # Only code counts: earlier stages change dvc.lock and metrics, and params are logged.
        changed = git("status", "--porcelain", "--", "*.py", "dvc.yaml")
        tags["git_dirty"] = "true" if changed else "false"
    except (OSError, subprocess.CalledProcessError):
        log.warning("not in a Git repository with a commit; the run does not name its code")
    return tags


def _one_line(error: BaseException) -> str:
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return textwrap.shorten(f"{kind}{error}", 500, placeholder=" ...")
