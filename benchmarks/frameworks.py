"""PyTorch and MindSpore side by side on this CPU: the reference recipe at x4, and latency.

    make mindspore && . .venv-mindspore/bin/activate
    python benchmarks/frameworks.py

Both train the plain network on the published patches in batches of 16 with Adam, in turns; an epoch
is extrapolated from the median of the rounds. Latency is by the published protocol: a batch of 8 of
64x64, 100 warm-up and 1000 timed calls, median, in turns. `--torch` and `--mindspore` name trained
weights with their record (models/x4/scratch.safetensors of two runs) whose PSNR on Set5 is added.
Writes metrics/frameworks.json.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mindspore
import torch
import yaml
from torch.nn import functional as F

from fsrcnn import device
from fsrcnn.evaluation.latency import plain_network, time_calls
from fsrcnn.evaluation.latency import statistics as latency_statistics
from fsrcnn.evaluation.scores import evaluate, on_device, summarize
from fsrcnn.files import write_json
from fsrcnn.mindspore import loop as mindspore_training
from fsrcnn.mindspore.network import from_torch
from fsrcnn.network import checkpoint
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import Params, TrainSettings
from fsrcnn.torch.optimizer import build_optimizer
from fsrcnn.training import loading
from fsrcnn.training.batches import GridPasses
from fsrcnn.training.pool import Batch

SCALE = 4
BATCH = (8, 1, 64, 64)
WARMUP, ITERATIONS = 100, 1000
ROUNDS = 5
RESULT = Path("metrics/frameworks.json")


def torch_step(settings: TrainSettings) -> Callable[[Batch], object]:
    """One step as the published ports take it."""
    network = FSRCNN(SCALE)
    optimizer = build_optimizer(network, "adam", settings.learning_rate, settings.deconvolution_lr_factor)

    def step(batch: Batch) -> float:
        loss = F.mse_loss(network(batch.lr), F.pixel_shuffle(batch.hr, SCALE))
        network.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def mindspore_step(settings: TrainSettings, total: int) -> Callable[[Batch], object]:
    """One step of mindspore_training.py."""
    step = mindspore_training.build_step(from_torch(FSRCNN(SCALE)), settings, [1.0] * total)
    return lambda batch: step(*mindspore_training.tensors(batch, SCALE)).asnumpy()


def seconds_per_epoch(data: Path, settings: TrainSettings, steps: int) -> dict[str, float]:
    """Seconds an epoch takes, from the median of `ROUNDS` rounds of `steps` steps of each."""
    batches = GridPasses(loading.load(data, SCALE, settings, 1).pool, 1, settings.batch_size)
    calls = {
        "torch": torch_step(settings),
        "mindspore": mindspore_step(settings, (ROUNDS + 1) * steps),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(ROUNDS + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            for step in range(turn * steps, (turn + 1) * steps):
                call(batches.cut(step, slice(0, settings.batch_size)))
            seconds[name].append(time.perf_counter() - started)
    # The first round compiles.
    return {name: statistics.median(s[1:]) / steps * batches.per_pass for name, s in seconds.items()}


def latency(where: device.Device) -> dict[str, dict[str, float]]:
    """Milliseconds of both plain networks, in turns; each gets its own kind of tensor."""
    network, batch = FSRCNN(SCALE), torch.rand(BATCH)
    plain = plain_network(network, torch.device("cpu"))
    other, copy = plain_network(network, where), mindspore.Tensor(batch.numpy())
    calls = {"torch": plain, "mindspore": lambda _: other(copy)}
    with torch.no_grad():
        times = time_calls(calls, batch, WARMUP, ITERATIONS, torch.device("cpu"))
    return {name: latency_statistics(seconds) for name, seconds in times.items()}


def quality(weights: Path, folder: Path, where: device.Device) -> dict[str, Any]:
    """PSNR on Set5 (reference protocol) of trained weights, and how long they were trained."""
    record = json.loads(weights.with_suffix(".json").read_text())["curve"][-1]
    network = on_device(checkpoint.load(weights), where)
    summary = summarize(evaluate(folder, SCALE, {"it": network}, torch.device("cpu")))
    psnr = summary["Set5"]["reference"]["it"]["psnr"]
    return {"psnr": psnr, "epochs": record["epoch"], "steps": record["step"]}


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/x4/train"))
    parser.add_argument("--evaluation", type=Path, default=Path("data/x4/evaluation"))
    parser.add_argument("--steps", type=int, default=200, help="of a round")
    parser.add_argument("--torch", type=Path, help="weights trained by PyTorch")
    parser.add_argument("--mindspore", type=Path, help="weights trained by MindSpore")
    arguments = parser.parse_args()
    where: dict[str, device.Device] = {
        "torch": torch.device("cpu"),
        "mindspore": device.choose("cpu", "mindspore"),
    }
    values = yaml.safe_load(Path("params.yaml").read_text())
    settings = Params.of_yaml(values | {"recipe": "reference"}).train
    epochs = seconds_per_epoch(arguments.data, settings, arguments.steps)
    milliseconds = latency(where["mindspore"])
    results: dict[str, dict[str, Any]] = {}
    for name, on in where.items():
        results[name] = {
            "version": device.framework_version(on)[1],
            "seconds_per_epoch": round(epochs[name], 1),
            "latency_ms": milliseconds[name],
        }
        if weights := getattr(arguments, name):
            results[name] |= quality(weights, arguments.evaluation, on)
    head = {
        "device_name": device.description(torch.device("cpu")),
        "threads": torch.get_num_threads(),
        "date": datetime.now(UTC).date().isoformat(),
        "scale": SCALE,
        "input_shape": list(BATCH),
    }
    write_json(RESULT, {**head, "results": results})
    print(f"{head['device_name']}, {head['threads']} threads, {head['date']}")
    for name, r in results.items():
        psnr = f", Set5 {r['psnr']:.2f} dB after epoch {r['epochs']}" if "psnr" in r else ""
        median = r["latency_ms"]["median"]
        print(f"{name} {r['version']}: {r['seconds_per_epoch']} s an epoch, {median} ms a batch{psnr}")


if __name__ == "__main__":
    main()
