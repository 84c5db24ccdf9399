"""Sending an `outbox.Entry` to MLflow: again and again, and each thing once."""

import logging
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import mlflow
from mlflow import MlflowClient, entities
from mlflow.entities import Metric, RunTag

from fsrcnn import files
from fsrcnn.tracking import registry
from fsrcnn.tracking.logged_model import log_model
from fsrcnn.tracking.outbox import Entry
from fsrcnn.tracking.store import EXPERIMENT

log = logging.getLogger(__name__)

BATCH = 1000  # metrics; MLflow takes no more in a request


def send(entry: Entry, run_id: str, arrived: set[tuple[str, int]], model_id: str | None = None) -> None:
    """Send what the run lacks; adds to `arrived` the metrics and steps sent, removes the files sent."""
    client, content = MlflowClient(), entry.content
    points = [
        (name, point)
        for name, points in content.metrics.items()
        for point in points
        if (name, point.step) not in arrived
    ]
    for start in range(0, len(points), BATCH):
        batch = points[start : start + BATCH]
        client.log_batch(
            run_id, [Metric(name, p.value, p.time, p.step, model_id=model_id) for name, p in batch]
        )
        arrived |= {(name, point.step) for name, point in batch}
    client.log_batch(run_id, tags=[RunTag(*tag) for tag in content.tags.items()])
    for path in entry.files("figures"):
        client.log_artifact(run_id, str(path), "figures")
        path.unlink()
    for path in entry.files("model"):
        _log_model(run_id, path)
        path.unlink()
    if content.ended:
        client.set_terminated(run_id, content.status, content.ended)


def send_results(entry: Entry) -> bool:
    """Send results to the run that made the weights, and register the model if it is a candidate.

    Warns if there is no such model; warns and returns False if there is no such run.
    """
    content = entry.content
    weights = content.weights_sha256 or ""
    run = find_run(weights)
    if run is None:
        log.warning("no MLflow run made %s; its results are not tracked", content.output)
    else:
        models = run.outputs.model_outputs if run.outputs else []
        model_id = models[-1].model_id if models else None  # one before it would be of a failed upload
        same = {
            (name, p.step)
            for name, points in content.metrics.items()
            for p in points
            if run.data.metrics.get(name) == p.value
        }
        send(entry, run.info.run_id, same, model_id)
    if content.candidate and registry.register(weights, content.candidate) is None:
        log.warning("no MLflow model has the weights %s; it is not registered", content.output)
    return run is not None


def _log_model(run_id: str, weights_path: Path) -> None:
    active = mlflow.active_run()
    with nullcontext() if active else mlflow.start_run(run_id=run_id, log_system_metrics=False):
        log_model(weights_path)
    # Last, since it is what makes the run known as the maker of these weights.
    MlflowClient().set_tag(run_id, "weights_sha256", files.sha256(weights_path))


def logged_steps(run_id: str, names: Iterable[str]) -> set[tuple[str, int]]:
    """The metrics and steps, of the metrics named, that the run has."""
    client = MlflowClient()
    return {(name, metric.step) for name in names for metric in client.get_metric_history(run_id, name)}


def find_run(weights_sha256: str) -> entities.Run | None:
    """The latest run that logged these weights."""
    found = mlflow.search_runs(
        experiment_names=[EXPERIMENT],
        filter_string=f"tags.weights_sha256 = '{weights_sha256}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
        output_format="list",
    )
    return found[0] if found else None
