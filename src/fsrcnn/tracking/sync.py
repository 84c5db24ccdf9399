"""Bringing MLflow up to a record: live, every epoch; and, when it did not answer, later."""

import json
import logging
from contextlib import nullcontext

import mlflow
from mlflow import MlflowClient, MlflowException, entities
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking.context.registry import resolve_tags

from fsrcnn.tracking import registry
from fsrcnn.tracking.logged_model import log_model, weights_tags
from fsrcnn.tracking.record import Dataset, Record
from fsrcnn.tracking.store import experiment_id

log = logging.getLogger(__name__)

BATCH = 800  # metrics; MLflow takes 1000 metrics and tags in a request
DIGEST_LENGTH = 36  # hex digits; MLflow refuses a longer dataset digest
NOTE = "mlflow.note.content"  # the description of a run in the UI, in Markdown


def sync(record: Record) -> bool:
    """Tell MLflow what it lacks of a record; to call this again changes nothing.

    Warns and returns False where MLflow has no place for it: the run was deleted, or it knows no such
    weights. Raises what `store.UNREACHABLE` lists when the store does not answer.
    """
    client = MlflowClient()
    if record.kind == "promotion":
        assert record.weights_sha256 and record.candidate
        if registry.register(record.weights_sha256, record.candidate) is None:
            log.warning("no MLflow model has the weights %s; it is not registered", record.output)
            return False
        return True
    run = _own_run(client, record) if record.kind == "training" else find_run(record.weights_sha256)
    if run is None:
        message = "its run was deleted" if record.kind == "training" else "no MLflow run made it"
        log.warning("%s: %s; what is new is not tracked", record.output, message)
        return False
    run_id, is_fresh = run.info.run_id, record.sent == 0
    if is_fresh:
        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in record.params.items()])
        client.log_inputs(run_id, [_dataset_input(dataset) for dataset in record.datasets])
        _link_to_source(client, record, run)
    metrics = _metrics(record, run)
    tags = [RunTag(*tag) for tag in record.tags.items()]
    for start in range(0, max(1, len(metrics)), BATCH):
        client.log_batch(run_id, metrics[start : start + BATCH], tags=tags)
    for path in record.files("figures"):
        client.log_artifact(run_id, str(path), "figures")
        path.unlink()
    for path in record.files("model"):
        if run.data.tags.get("weights_sha256") != record.weights_sha256:
            with nullcontext() if mlflow.active_run() else mlflow.start_run(run_id, log_system_metrics=False):
                log_model(path)
            # Last, since they are what makes the run known as the maker of these weights.
            client.log_batch(run_id, tags=[RunTag(*tag) for tag in weights_tags(path).items()])
        path.unlink()
    if record.ended and record.kind == "training":
        client.set_terminated(run_id, record.status, record.ended)
    record.sent = len(record.points)
    return True


def find_run(weights_sha256: str | None) -> entities.Run | None:
    """The latest run that logged these weights."""
    return _search(f"tags.weights_sha256 = '{weights_sha256}'")


def _search(condition: str) -> entities.Run | None:
    order = ["attributes.start_time DESC"]
    found = MlflowClient().search_runs([experiment_id()], condition, max_results=1, order_by=order)
    return found[0] if found else None


def _own_run(client: MlflowClient, record: Record) -> entities.Run | None:
    """The run of a training, made if need be; None if somebody deleted it."""
    if record.run_id is None:
        # The tag finds the run that a killed process made and had no time to note.
        run = _search(f"tags.record = '{record.id}'")
        if run is None:
            tags = resolve_tags({**record.tags, "record": record.id})
            run = client.create_run(experiment_id(), record.started, tags, record.name)
        record.run_id = run.info.run_id
        record.save()
        return run
    try:
        run = client.get_run(record.run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


def _metrics(record: Record, run: entities.Run) -> list[Metric]:
    """The points to send. MLflow keeps one of two that are equal in value, step and time."""
    points = record.points[record.sent :]
    model_id, digests = None, {}
    if record.kind == "results":
        points = [point for point in points if run.data.metrics.get(point.metric) != point.value]
        models = run.outputs.model_outputs if run.outputs else []
        model_id = models[-1].model_id if models else None  # one before it would be of a failed upload
        digests = {dataset.name: dataset.sha256[:DIGEST_LENGTH] for dataset in record.datasets}
    metrics = []
    for name, step, value, time in points:
        data = name.rpartition("/")[0]
        known = {"dataset_name": data, "dataset_digest": digests[data]} if data in digests else {}
        metrics.append(Metric(name, value, time, step, model_id, **known))
    return metrics


def _link_to_source(client: MlflowClient, record: Record, run: entities.Run) -> None:
    """Links between a run and the one that made the weights it started from, in both descriptions."""
    digest = record.tags.get("source_weights_sha256")
    if digest is None or "source_run_id" in record.tags:
        return
    source = find_run(digest)
    if source is None:
        log.warning("no MLflow run made the weights that %s starts from: no link", record.output)
        return
    record.tags["source_run_id"] = source.info.run_id
    record.tags[NOTE] = f"{record.tags.get(NOTE, '')} Started from the weights of {_link(source)}.".strip()
    back, note = f"Transferred in {_link(run)}.", source.data.tags.get(NOTE, "")
    if back not in note:
        client.set_tag(source.info.run_id, NOTE, f"{note} {back}".strip())


def _link(run: entities.Run) -> str:
    # A link that holds only a fragment works whatever address the UI is served from.
    return f"[{run.info.run_name}](#/experiments/{run.info.experiment_id}/runs/{run.info.run_id})"


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
