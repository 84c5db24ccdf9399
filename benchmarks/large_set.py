"""Training on sets of any size: disk, memory and the time of a step, in one sitting.

    python benchmarks/large_set.py --mirror FOLDER

FOLDER holds 91-image/, General-100/ and BSD400/. Of their pictures, 800 of 2040x1404 are put together
as mosaics of enlarged parts. Those, the 91 images, and the 591 pictures of the three sets are each
written as the download stage does and trained on with the recipe of params.yaml, each training in a
process of its own, whose largest memory is what is printed.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

from fsrcnn.data import hdf5
from fsrcnn.download.folder import read_folder
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import TrainSettings
from fsrcnn.torch.loop import fit
from fsrcnn.training import loading

SETS = ("91-image", "General-100", "BSD400")
WIDTH, HEIGHT = 2040, 1404
COLUMNS, ROWS = 4, 3
EPOCHS = 5  # the first one compiles


def mosaics(pictures: list[Image.Image], count: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Pictures of 2040x1404, each of twelve enlarged parts of others; the same in every run."""
    random = np.random.default_rng(0)
    w, h = WIDTH // COLUMNS, HEIGHT // ROWS
    for number in range(count):
        large = Image.new("RGB", (WIDTH, HEIGHT))
        for place in range(COLUMNS * ROWS):
            part = pictures[random.integers(len(pictures))]
            side = min(part.size) * random.uniform(0.5, 1)
            left, top = random.uniform(0, part.width - side), random.uniform(0, part.height - side)
            box = (left, top, left + side, top + side * h / w)
            tile = part.resize((w, h), Image.Resampling.BICUBIC, box=box)
            large.paste(tile, (place % COLUMNS * w, place // COLUMNS * h))
        yield f"{number:04}", np.asarray(large)


def train(path: Path, scale: int, steps: int) -> dict[str, float]:
    """Milliseconds of a step and largest memory in bytes of a training in this process."""
    section = yaml.safe_load(Path("params.yaml").read_text())["train"]
    changes = {"epochs": EPOCHS, "steps_per_epoch": steps // EPOCHS}
    settings = TrainSettings.parse("train", {**section, **changes})
    data = loading.load(path, scale, settings, seed=1)
    torch.manual_seed(1)
    curve = fit(FSRCNN(scale), data, settings, device=torch.device("cpu"), seed=1)
    seconds = curve[-1].seconds - curve[0].seconds
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "milliseconds": 1000 * seconds / (curve[-1].step - curve[0].step),
        "bytes": used * (1 if sys.platform == "darwin" else 1024),
    }


def trained(path: Path, scale: int, steps: int) -> dict[str, float]:
    """`train` in a process of its own."""
    arguments = ["--train", path, "--scale", scale, "--steps", steps]
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Write the sets, train on each, and print a line for each training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mirror", type=Path, help="the folder of the three sets")
    parser.add_argument("--pictures", type=int, default=800)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--scale", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        print(json.dumps(train(arguments.train, arguments.scale, arguments.steps)))
        return
    sets = {name: list(read_folder(arguments.mirror / name)) for name in SETS}
    every = [image for pictures in sets.values() for _, image in pictures]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, pictures in sets.items():
            arrays = ((stem, np.asarray(image)) for stem, image in pictures)
            hdf5.write_pictures(folder / "591" / f"{name}.h5", arrays, source=name, made="benchmark")
        large = folder / "large.h5"
        hdf5.write_pictures(large, mosaics(every, arguments.pictures), source="mosaics", made="benchmark")
        raw = arguments.pictures * WIDTH * HEIGHT * 3
        print(
            f"disk: {large.stat().st_size / raw:.4f} bytes a byte of raw RGB, {raw / 1e9:.2f} GB", flush=True
        )
        small = folder / "591" / "91-image.h5"
        for scale, path in ((2, small), (2, folder / "591"), (2, large), (4, small), (4, large)):
            found = trained(path, scale, arguments.steps)
            print(
                f"x{scale} {path.stem}: {found['milliseconds']:.2f} ms a step, {found['bytes'] / 1e9:.2f} GB",
                flush=True,
            )


if __name__ == "__main__":
    main()
