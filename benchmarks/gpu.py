"""Training and latency on a graphics processor, to stand beside the published figures of a Tesla P100.

    make gpu-report                                # makes data/x4, then runs this
    python benchmarks/gpu.py --train               # also the reference recipe to its end
    python benchmarks/gpu.py --device cpu --steps 10 --seeds 1 --warmup 1 --iterations 5 --output try.json

Uses the environment that is active; its torch must know the device. For CUDA that is `make install`, since
PyPI's torch for Linux on x86-64 is a CUDA build, then `. .venv/bin/activate`; for another driver or platform
one with the torch that https://pytorch.org/get-started names, and `pip install -e '.[pipeline]'`. Then
`pip install 'fsrcnn[cuda]'`, for kernels of our own in training and inference.

Training: seconds an epoch of the reference recipe, the default recipe to its end, and until Set5 reads 30.50
dB at x4 as in speedrun.py.
Latency: a picture through the released networks, 100 warm-up and 1000 timed calls, each waited for, in
turns. Each variant maps float32 on the device to float32 on the device, is compared with the plain network
first, and gets no time where it is off. TensorFloat-32 is off here, so that float32 means that. Writes
metrics/gpu.json, which the report shows.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import yaml
from speedrun import SCALE, SHORT, TARGET, seconds_to, train, watching_set5
from torch import Tensor, nn

from fsrcnn import device, load_pretrained
from fsrcnn.data import hdf5
from fsrcnn.errors import InputError, one_line
from fsrcnn.evaluation.latency import Call, plain_network, statistics, time_calls
from fsrcnn.files import write_json
from fsrcnn.inference import cuda
from fsrcnn.inference.cuda import CudaNetwork
from fsrcnn.inference.fused import Fused
from fsrcnn.inference.subpixel import InferenceNetwork
from fsrcnn.network.checkpoint import weights_of
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import Params
from fsrcnn.torch.soap_cuda import PresentStream

# Scale, and shape of the input: the published batch, and single frames to 1920x1080 and to 3840x2160.
INPUTS = ((4, (8, 1, 64, 64)), (4, (1, 1, 270, 480)), (2, (1, 1, 1080, 1920)))
TOLERANCE, TOLERANCE_FLOAT16 = 1e-5, 1e-3  # of luma in 0..1
FLOAT16 = "float16"  # in the names of the variants that it is the type of
GRAPHS = ", CUDA graphs"  # ends the names of what is captured in one
FUSED = f"fused kernels, {FLOAT16}"  # backend cuda
TIMED = 1000  # steps of the reference recipe, whose epoch has 15 times as many


class Float16(nn.Module):
    """A network whose layers compute in float16, channels last; float32 in and out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, y: Tensor) -> Tensor:
        """(N, 1, h, w) -> (N, 1, h*scale, w*scale)."""
        out: Tensor = self.network(y.half())
        return out.float()


def measure_training(
    folder: Path, where: torch.device, seeds: int, steps: int | None, *, whole: bool
) -> dict[str, dict[str, Any]]:
    """Seconds and Set5 PSNR (reference protocol) of the recipes; `steps` an epoch in place of theirs.

    The epoch's seconds are of as many steps as the recipe has. `whole` trains the reference recipe to its
    end, in place of 2,000 steps.
    """
    values = yaml.safe_load(Path("params.yaml").read_text())
    recipes = {name: Params.of_yaml(values | {"recipe": name}).train for name in ("reference", "ours")}
    data = {name: watching_set5(folder, recipe) for name, recipe in recipes.items()}
    shorter = {} if steps is None else {"steps_per_epoch": steps}
    results: dict[str, dict[str, Any]] = {}
    for name, recipe in recipes.items():
        is_short = name == "reference" and not whole
        timed = {"epochs": 2, "steps_per_epoch": TIMED} if is_short else {}
        first, *_, last = train(data[name], recipe.changed("train", timed | shorter), where, values["seed"])
        per_step = (last.seconds - first.seconds) / (last.step - first.step)  # the first epoch compiles
        results[name] = {
            "seconds_per_epoch": round(per_step * (recipe.steps_per_epoch or first.step), 2),
            "seconds": round(last.seconds, 1),
            "steps": last.step,
            "psnr": last.validation_psnr,
        }
    short = recipes["ours"].changed("train", SHORT | shorter)
    curves = [train(data["ours"], short, where, seed) for seed in range(1, seeds + 1)]
    seconds = [seconds_to(TARGET, curve) for curve in curves]
    return results | {
        "short": {"target_psnr": TARGET, "seconds": seconds, "steps_per_epoch": short.steps_per_epoch}
    }


class FusedKernels:
    """The package's own kernels on torch's tensors and stream; with `graph` captured for the first input."""

    def __init__(self, network: CudaNetwork, scale: int, *, graph: bool) -> None:
        self.network, self.scale = network, scale
        self.graph = torch.cuda.CUDAGraph() if graph else None
        self.held: tuple[Tensor, Tensor] | None = None

    def __call__(self, y: Tensor) -> Tensor:
        """(N, 1, h, w) -> (N, 1, h*scale, w*scale)."""
        if self.graph is None:
            return self.enqueue(y)
        if self.held is None:
            held = y.clone()
            torch.cuda.synchronize()
            with torch.cuda.graph(self.graph):
                self.held = held, self.enqueue(held)
        assert self.held is not None
        self.held[0].copy_(y)
        self.graph.replay()
        return self.held[1]

    def enqueue(self, y: Tensor) -> Tensor:
        """The same, launch by launch."""
        n, _, h, w = y.shape
        out = torch.empty((n, 1, h * self.scale, w * self.scale), device=y.device)
        work = torch.empty(Fused.workspace(n, h, w), dtype=torch.uint8, device=y.device)
        stream = self.network.stream_of(PresentStream())
        self.network.run(y.data_ptr(), (n, h, w), work.data_ptr(), out.data_ptr(), stream)
        return out


def variants(network: FSRCNN, where: torch.device, *, graphs: bool) -> tuple[dict[str, Call], dict[str, Any]]:
    """The plain network, its sub-pixel form, that in float16, our kernels, each as CUDA graphs too.

    And what can't be, and why.
    """
    subpixel = InferenceNetwork(weights_of(network))
    half = Float16(deepcopy(subpixel))
    modules = {"sub-pixel": subpixel.to(where), f"sub-pixel, {FLOAT16} channels_last": half.to(where)}
    calls: dict[str, Call] = {"plain": plain_network(network, where), **modules}
    if not graphs:
        names = [*(name + GRAPHS for name in modules), FUSED, FUSED + GRAPHS]
        return calls, {name: {"not_timed": f"no CUDA on {where.type}"} for name in names}
    for name, module in modules.items():
        calls[name + GRAPHS] = torch.compile(module, mode="reduce-overhead", dynamic=False)
    if not cuda.available():
        reason = "no backend cuda: pip install 'fsrcnn[cuda]'"
        return calls, {name: {"not_timed": reason} for name in (FUSED, FUSED + GRAPHS)}
    kernels = CudaNetwork(weights_of(network))
    for name, graph in ((FUSED, False), (FUSED + GRAPHS, True)):
        calls[name] = FusedKernels(kernels, network.scale, graph=graph)
    return calls, {}


def measure_latency(
    calls: Mapping[str, Call], picture: Tensor, where: torch.device, warmup: int, iterations: int
) -> dict[str, dict[str, Any]]:
    """For each call its milliseconds and times as fast as `plain`, or why it is `not_timed`."""
    differences, reasons = {}, {}
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
    with torch.no_grad(), exact:
        expected = cast(Tensor, calls["plain"](picture))
        for name, call in calls.items():
            most = TOLERANCE_FLOAT16 if FLOAT16 in name else TOLERANCE
            try:
                for _ in range(3):  # a CUDA graph is warmed up, captured, replayed
                    result = cast(Tensor, call(picture))
                difference = differences[name] = float((result - expected).abs().max())
            except Exception as failure:  # compilers and what drives them raise every kind of error
                reasons[name] = f"{type(failure).__name__}: {one_line(failure)}"
                continue
            if not difference <= most:  # NaN neither
                reasons[name] = f"differs from plain by {difference:.1e}, more than {most:.0e}"
        timed = {name: call for name, call in calls.items() if name not in reasons}
        times = time_calls(timed, picture, warmup, iterations, where)
    plain = float(np.median(times["plain"]))
    results: dict[str, dict[str, Any]] = {
        name: {
            "latency_ms": statistics(seconds),
            "speedup": round(plain / float(np.median(seconds)), 2),
            "largest_difference": differences[name],
        }
        for name, seconds in times.items()
    }
    return results | {name: {"not_timed": reason} for name, reason in reasons.items()}


def picture_of(luma: np.ndarray, shape: tuple[int, int, int, int]) -> Tensor:
    """A batch (n, 1, h, w) cut from a picture (height, width), mirrored where it is too small.

    A picture, since on noise the networks' outputs are far outside of 0..1, and so are their differences.
    """
    n, _, h, w = shape
    missing = [(0, max(0, side - have)) for side, have in zip((h, n * w), luma.shape, strict=True)]
    strip = np.pad(luma, missing, mode="symmetric")[:h, : n * w]
    return torch.from_numpy(np.ascontiguousarray(strip.reshape(h, n, w).swapaxes(0, 1)[:, None]))


def driver_version() -> str | None:
    """NVIDIA's, as its tool says it; None where there is none."""
    if not (tool := shutil.which("nvidia-smi")):
        return None
    query = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(query, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[0]


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda", "mps", "npu"), default="cuda")
    parser.add_argument("--data", type=Path, default=Path("data/x4"))
    parser.add_argument("--train", action="store_true", help="the reference recipe to its end")
    parser.add_argument("--seeds", type=int, default=3, help="of the time to 30.50 dB")
    parser.add_argument("--steps", type=int, help="an epoch; default: the recipes'")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=Path("metrics/gpu.json"))
    arguments = parser.parse_args()
    where = device.choose(arguments.device)
    luma = next(hdf5.read_pairs(arguments.data / "evaluation/Set5_reference.h5", SCALE)).unit().hr
    latency = []
    for scale, shape in INPUTS:
        torch.compiler.reset()
        calls, missing = variants(load_pretrained(scale), where, graphs=where.type == "cuda")
        picture = picture_of(luma, shape).to(where)
        results = measure_latency(calls, picture, where, arguments.warmup, arguments.iterations)
        latency.append({"scale": scale, "input_shape": shape, "variants": results | missing})
    training = measure_training(
        arguments.data, where, arguments.seeds, arguments.steps, whole=arguments.train
    )
    content = {
        "device_name": device.description(where),
        "driver": driver_version() if where.type == "cuda" else None,
        "torch": torch.__version__,
        "date": datetime.now(UTC).date().isoformat(),
        "warmup": arguments.warmup,
        "iterations": arguments.iterations,
        "results": {"training": training, "latency": latency},
    }
    write_json(arguments.output, content)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
