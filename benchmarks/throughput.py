"""One reference epoch, the usual way and ours, in one sitting: 236,432 patches of 6x6 at x4.

    python benchmarks/throughput.py

The usual way is that of the published ports: a data set that opens the HDF5 file for every patch,
a loader, batches of 16, the plain network, Adam. Ours cuts the patches from memory and has the
gradients by the kernel in C, in larger batches. Both do the same multiplications: forward, backward
and step for every patch once. The floor is that arithmetic at the machine's own sgemm rate.
"""

import argparse
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from fsrcnn.data import hdf5
from fsrcnn.evaluation.latency import sgemm_rate
from fsrcnn.network.model import FSRCNN, weight_count
from fsrcnn.settings import TrainSettings
from fsrcnn.system import processor_name
from fsrcnn.torch.loop import fit
from fsrcnn.training import loading, pool

SCALE = 4
REFERENCE_BATCH = 16
OURS = TrainSettings(
    optimizer="adam",
    learning_rate=0.001,
    deconvolution_lr_factor=0.1,
    weight_decay=0.0,
    loss="mse",
    schedule="constant",
    warmup_steps=0,
    sampling="patches",
    crop=24,
    batch_size=256,
    epochs=2,
    steps_per_epoch=None,
    ema_decay=0.0,
    validation_share=0.0,
    precision="float32",
    compile=True,
)


class PatchFile(Dataset[tuple[np.ndarray, np.ndarray]]):
    """Patches read one by one from a file that is opened for each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with h5py.File(path) as file:
            self.count = len(file["lr"])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        with h5py.File(self.path) as file:
            return file["lr"][index][None] / 255.0, file["hr"][index][None] / 255.0


def reference_seconds(path: Path, steps: int) -> float:
    """Seconds an epoch of the usual loop takes, extrapolated from its first `steps` steps."""
    network = FSRCNN(SCALE)
    last = list(network.deconvolution.parameters())
    rest = [p for p in network.parameters() if all(p is not q for q in last)]
    groups = [{"params": rest, "lr": 1e-3}, {"params": last, "lr": 1e-4}]
    optimizer = torch.optim.Adam(groups)
    loader = DataLoader(PatchFile(path), REFERENCE_BATCH, shuffle=True, drop_last=True)
    loss_of = nn.MSELoss()
    started = time.perf_counter()
    for step, (lr, hr) in enumerate(loader):
        if step == steps:
            break
        loss = loss_of(network(lr), hr)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - started) / min(steps, len(loader)) * len(loader)


def write_patch_file(images: pool.PatchPool, path: Path) -> Tensor:
    """The published layout of the pool's grid patches; returns the places."""
    places, side = images.grid(), pool.GRID_PATCH[SCALE]
    blocks = (
        (
            (batch.lr[:, 0] * 255).numpy(),
            (nn.functional.pixel_shuffle(batch.hr, SCALE)[:, 0] * 255).numpy(),
        )
        for batch in (images.cut(chunk, side) for chunk in places.split(hdf5.BLOCK))
    )
    hdf5.write_patches(path, blocks, SCALE, source="benchmark", made="grid patches")
    return places


def main() -> None:
    """Run both and print seconds an epoch, their ratio and the floor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/x4/train"))
    parser.add_argument(
        "--steps", type=int, default=2000, help="of the usual loop; its epoch is extrapolated"
    )
    parser.add_argument("--batch", type=int, default=OURS.batch_size)
    arguments = parser.parse_args()
    data = loading.load(arguments.data, SCALE, OURS, 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patches.h5"
        places = write_patch_file(data.pool, path)
        reference = reference_seconds(path, arguments.steps)
    settings = OURS.model_copy(update={"batch_size": arguments.batch})
    curve = fit(FSRCNN(SCALE), data, settings, device=torch.device("cpu"), seed=1)
    ours = curve[1].seconds - curve[0].seconds
    flop = 6 * weight_count(FSRCNN(SCALE)) * len(places) * pool.GRID_PATCH[SCALE] ** 2
    floor = flop / sgemm_rate(torch.device("cpu"))
    print(f"{processor_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(
        f"reference loop, batch {REFERENCE_BATCH}: {reference:.1f} s an epoch, from {arguments.steps} steps"
    )
    print(f"ours, batch {arguments.batch}: {ours:.1f} s an epoch")
    print(f"ratio: {reference / ours:.1f}")
    print(f"floor: {flop / 1e12:.2f} TFLOP at the sgemm rate: {floor:.1f} s, {floor / ours:.0%} of ours")


if __name__ == "__main__":
    main()
