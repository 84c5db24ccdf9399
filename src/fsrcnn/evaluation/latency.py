"""How long one forward pass takes, by the protocol of the published timings, with every backend.

The plain network (the framework's own layers, the deconvolution as it is) is what the others are
compared with; with MindSpore it is the only one. All take turns in rounds, so that a machine that
slows down does so for each of them. The floor, measured beside them, is the network's
multiplications at the rate of a large matrix product.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fsrcnn.device import Device, MindSporeDevice, description, framework_version, peak_memory, synchronize
from fsrcnn.inference import backends
from fsrcnn.inference.subpixel import InferenceNetwork
from fsrcnn.network.checkpoint import weights_of
from fsrcnn.network.model import FSRCNN, weight_count
from fsrcnn.settings import BenchmarkSettings

Call = Callable[[Any], object]  # of a tensor of the framework

ROUND = 50  # calls in a row; long enough for a backend's threads and caches to settle
FRAME = (1080, 1920)  # of the output


def measure(network: FSRCNN, settings: BenchmarkSettings, device: Device) -> dict[str, Any]:
    """Time the plain network and the backends in float32: milliseconds a batch, and on what.

    `speedup` is against the plain network; `sgemm_share` is the floor over the median, which can
    exceed 1 where the library's matrix product is not the best possible. Frames are single images,
    the network alone.
    """
    batch = _put(torch.rand(settings.batch_size, 1, settings.height, settings.width), device)
    frame = _put(torch.rand(1, 1, *(side // network.scale for side in FRAME)), device)
    networks = {"plain": plain_network(network, device), **fast_networks(network, device)}
    with torch.no_grad():
        times = time_calls(networks, batch, settings.warmup, settings.iterations, device)
        frames = time_calls(networks, frame, settings.warmup // 20, settings.frames, device)
        rate = sgemm_rate(device)
    pixels = settings.batch_size * settings.height * settings.width
    floor = 2 * weight_count(network) * pixels / rate
    framework, version = framework_version(device)
    results = {
        name: {
            "latency_ms": statistics(seconds),
            "sgemm_share": round(floor / float(np.median(seconds)), 3),
            "frames_per_second": round(1 / float(np.median(frames[name])), 2),
        }
        for name, seconds in times.items()
    }
    plain = float(np.median(times.pop("plain")))
    return {
        "device": device.type,
        "device_name": description(device),
        "threads": torch.get_num_threads(),
        "framework": framework,
        "framework_version": version,
        "torch": torch.__version__,
        "peak_memory_mib": round(peak_memory(device) / 2**20),
        "scale": network.scale,
        "batch_size": settings.batch_size,
        "input_shape": list(batch.shape),
        "warmup": settings.warmup,
        "iterations": settings.iterations,
        "sgemm_gflops": round(rate / 1e9, 1),
        "floor_ms": round(floor * 1000, 3),
        **results.pop("plain"),
        "backends": {
            name: {"speedup": round(plain / float(np.median(times[name])), 2), **result}
            for name, result in results.items()
        },
    }


def plain_network(network: FSRCNN, device: Device) -> Call:
    """The network through the layers of the device's framework; MindSpore's returns a NumPy array."""
    if isinstance(device, torch.device):
        return network.to(device).eval()
    from fsrcnn.mindspore.network import compiled  # needs MindSpore

    return compiled(network)


def fast_networks(network: FSRCNN, device: Device) -> dict[str, Call]:
    """The backends that run on the device: on the CPU all of its own that are installed, elsewhere torch's.

    Without `numpy`, which is for where no other one is, and takes a second for a frame.
    """
    if isinstance(device, MindSporeDevice):
        return {}
    if device.type == "cpu":
        weights, threads = weights_of(network), torch.get_num_threads()
        names = backends.available(besides=("numpy", "cuda"))
        return {name: _on_arrays(backends.load(weights, name, threads)) for name in names}
    inference: dict[str, Call] = {"eager": InferenceNetwork(weights_of(network)).to(device)}
    if device.type == "cuda":
        inference["compiled"] = torch.compile(inference["eager"], dynamic=True)
    return inference


def _on_arrays(backend: backends.Backend) -> Call:
    return lambda y: backend(y.numpy())


def _put(values: Tensor, device: Device) -> Any:  # noqa: ANN401  # a tensor of either framework
    if isinstance(device, torch.device):
        return values.to(device)
    import mindspore

    return mindspore.Tensor(values.numpy())


def time_calls(
    calls: Mapping[str, Call], batch: object, warmup: int, iterations: int, device: Device
) -> dict[str, np.ndarray]:
    """Seconds of each of `iterations` calls on `batch` after `warmup` ones, the device waited for.

    The calls take turns, `ROUND` at a time, once each of them is warm.
    """
    times = {name: np.empty(iterations) for name in calls}
    total = len(calls) * (warmup + iterations)
    with tqdm(total=total, desc="benchmark", unit="call", disable=None) as progress:

        def seconds(call: Call) -> float:
            synchronize(device)
            start = time.perf_counter()
            call(batch)
            synchronize(device)
            progress.update()
            return time.perf_counter() - start

        for call in calls.values():
            for _ in range(warmup):
                seconds(call)
        for first in range(0, iterations, ROUND):
            for name, call in calls.items():
                for i in range(first, min(first + ROUND, iterations)):
                    times[name][i] = seconds(call)
    return times


def statistics(seconds: np.ndarray) -> dict[str, float]:
    """Median, percentiles and minimum in milliseconds."""
    milliseconds = seconds * 1000
    return {
        "median": round(float(np.median(milliseconds)), 3),
        "p5": round(float(np.percentile(milliseconds, 5)), 3),
        "p95": round(float(np.percentile(milliseconds, 95)), 3),
        "min": round(float(milliseconds.min()), 3),
    }


def sgemm_rate(device: Device) -> float:
    """The device's float32 matrix product in FLOP/s: the best of 20 of 2048 x 2048."""
    a, b = (_put(torch.randn(2048, 2048), device) for _ in range(2))
    best = float("inf")
    for _ in range(20):
        synchronize(device)
        started = time.perf_counter()
        product = a @ b
        if isinstance(device, MindSporeDevice):
            product.asnumpy()  # it may be computed only when it is read
        synchronize(device)
        best = min(best, time.perf_counter() - started)
    return 2 * 2048**3 / best
