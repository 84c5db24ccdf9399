"""How long one forward pass takes, by the protocol of the published timings."""

import time
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from tqdm import trange

from fsrcnn.device import description, synchronize
from fsrcnn.model import FSRCNN
from fsrcnn.settings import Settings

Count = Annotated[int, Field(ge=1)]


class BenchmarkSettings(Settings):
    """The `benchmark` section of params.yaml; height and width are of the low-resolution input."""

    batch_size: Count
    height: Count
    width: Count
    warmup: Annotated[int, Field(ge=0)]
    iterations: Count


def measure(network: FSRCNN, settings: BenchmarkSettings, device: torch.device) -> dict[str, Any]:
    """Time the plain network in float32: milliseconds a batch, and what it ran on."""
    network = network.to(device).eval()
    batch = torch.rand(settings.batch_size, 1, settings.height, settings.width, device=device)
    with torch.inference_mode():
        times = time_calls(lambda: network(batch), settings.warmup, settings.iterations, device)
    milliseconds = times * 1000
    return {
        "device": device.type,
        "device_name": description(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "scale": network.scale,
        "batch_size": settings.batch_size,
        "input_shape": list(batch.shape),
        "warmup": settings.warmup,
        "iterations": settings.iterations,
        "latency_ms": {
            "median": round(float(np.median(milliseconds)), 3),
            "p5": round(float(np.percentile(milliseconds, 5)), 3),
            "p95": round(float(np.percentile(milliseconds, 95)), 3),
            "min": round(float(milliseconds.min()), 3),
        },
    }


def time_calls(call: Callable[[], object], warmup: int, iterations: int, device: torch.device) -> np.ndarray:
    """Seconds of each of `iterations` calls after `warmup` ones, the device waited for each time."""
    times = np.empty(iterations)
    for i in trange(-warmup, iterations, desc="benchmark", unit="call", disable=None):
        synchronize(device)
        start = time.perf_counter()
        call()
        synchronize(device)
        if i >= 0:
            times[i] = time.perf_counter() - start
    return times
