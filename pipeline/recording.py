"""A training with its record: weights, curve and MLflow run, the same for `train` and `finetune`."""

import itertools
import os
import statistics
from pathlib import Path

import stage
import torch

from fsrcnn.data.prepared import joined, training_sets
from fsrcnn.device import Device, MindSporeDevice, description, framework_version
from fsrcnn.errors import InputError
from fsrcnn.files import sha256, write_csv, write_json
from fsrcnn.network import checkpoint
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import DegradationName, TrainSettings
from fsrcnn.torch.loop import fit
from fsrcnn.torch.resume import TrainingState
from fsrcnn.torch.workers import Workers, join
from fsrcnn.tracking import runs
from fsrcnn.training.curve import Epoch
from fsrcnn.training.loading import TrainingData

# The columns of the curve as MLflow shows them, one group of charts for each part before the "/".
METRICS = {
    "loss": "training/loss",
    "train_psnr": "training/psnr",
    "validation_psnr": "validation/psnr",
    "learning_rate": "training/learning_rate",
    "seconds": "training/seconds",
}


def record_training(
    network: FSRCNN,
    data: TrainingData,
    settings: TrainSettings,
    *,
    kind: str,
    folder: Path,
    device: Device,
    seed: int,
    recipe: str,
    degradation: DegradationName,
    source: Path | None = None,
) -> None:
    """Train, log to MLflow as it goes, and write `models/x<scale>/<kind>.safetensors` and `.json`.

    While it trains, and when it was interrupted, the curve so far is in `models/x<scale>/<kind>.csv`.

    `kind` is "scratch" or "transfer", `recipe` "ours" or "reference"; `folder` holds the training sets;
    `source` are the weights that a transfer started from. A training that was interrupted goes on, and so
    does its run. Under `torchrun` the processes share the batches, and the first one writes and logs.
    """
    workers = _join(device, settings)
    framework, version = framework_version(device)
    sets = training_sets(folder)
    train_data = joined([each.name for each in sets])
    digests = {each.name: sha256(each.path) for each in sets}
    path = Path(f"models/x{network.scale}/{kind}.safetensors")
    params = {
        "scale": network.scale,
        "seed": seed,
        "device": device.type,
        "framework": framework,
        "recipe": recipe,
        "degradation": degradation,
        **{f"model.{key}": getattr(network, key) for key in ("d", "s", "m")},
        **{f"train.{key}": value for key, value in settings.model_dump().items()},
    }
    threads = torch.get_num_threads() * workers.world_size
    tags = {
        "kind": kind,
        "scale": str(network.scale),
        "data": train_data,
        "device_name": description(device),
        "threads": str(threads),
        **runs.versions(),
    }
    datasets = [
        runs.Dataset(f"{each.name}_x{network.scale}", each.path, digests[each.name], each.made)
        for each in sets
    ]

    identity = {**params, "data": digests, "workers": workers.world_size}
    if source is not None:
        identity["source"] = sha256(source)
    state = TrainingState(path.with_suffix(".state"), identity)
    if not workers.is_main:
        assert isinstance(device, torch.device)  # MindSpore works alone
        fit(network, data, settings, device=device, seed=seed, state=state, workers=workers)
        return

    saved, live = state.load(), path.with_suffix(".csv")
    rows = saved["curve"] if saved else []
    runs.connect(stage.repository_root())
    with runs.training_run(
        f"x{network.scale} {kind}",
        output=path,
        params=params,
        tags=tags,
        datasets=datasets,
        description=f"FSRCNN({network.d}, {network.s}, {network.m}) at x{network.scale}, "
        f"{'from scratch' if kind == 'scratch' else 'transferred'}, trained on {train_data}.",
        source=source,
        resume=saved is not None,
    ) as run:

        def track(row: Epoch) -> None:
            values = {METRICS[key]: value for key, value in row._asdict().items() if key in METRICS}
            run.metrics(row.epoch, {key: value for key, value in values.items() if value is not None})

        def log_epoch(row: Epoch) -> None:
            rows.append(row._asdict())
            write_csv(live, rows)
            track(row)

        if isinstance(device, MindSporeDevice):
            from fsrcnn.mindspore import loop as mindspore_training  # needs MindSpore

            curve = mindspore_training.fit(
                network, data, settings, device=device, seed=seed, on_epoch=log_epoch
            )
        else:
            curve = fit(
                network,
                data,
                settings,
                device=device,
                seed=seed,
                on_epoch=log_epoch,
                state=state,
                workers=workers,
            )
        for row in curve:
            track(row)  # those that an interrupted training had before it could log them
        metadata = {"train_data": train_data, "kind": kind, "seed": str(seed)}
        if degradation != "none":
            metadata["degradation"] = degradation
        checkpoint.save(network, path, metadata)
        run.model(path)
    seconds = [b - a for a, b in itertools.pairwise([0.0, *(row.seconds for row in curve)])]
    record = {
        "scale": network.scale,
        "run_id": run.id,
        "weights_sha256": sha256(path),
        "train_data": train_data,
        "framework": framework,
        "framework_version": version,
        "device": description(device),
        "precision": settings.precision,
        "threads": threads,
        "seconds_per_epoch": statistics.median(seconds),
        "curve": [row._asdict() for row in curve],
    }
    write_json(path.with_suffix(".json"), record)
    state.remove()
    live.unlink(missing_ok=True)


def _join(device: Device, settings: TrainSettings) -> Workers:
    """The workers that share a training; MindSpore has one, and not all settings."""
    if isinstance(device, torch.device):
        return join(device)
    from fsrcnn.mindspore import loop as mindspore_training  # needs MindSpore

    mindspore_training.check(settings)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise InputError("params.yaml: launcher: framework mindspore trains in one process; set it to python")
    return Workers()
