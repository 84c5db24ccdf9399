"""A short training that two hosts share: resumed, then again from its beginning.

    shared_training.py OPTIONS FOLDER HOST SETTINGS

It is torchrun, which takes OPTIONS, and the program that this starts in one: forked, since to import torch
takes longer than all else. FOLDER is on the file system of both hosts. A host that finds FOLDER/HOST.waits
waits after an epoch until it is killed. At its end each writes FOLDER/HOST.json: the epochs that it took part
in, and a digest of either training's weights.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.distributed import run
from torch.distributed.launcher.api import elastic_launch

from fsrcnn.data.hdf5 import Pair
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import TrainSettings
from fsrcnn.torch.loop import fit
from fsrcnn.torch.resume import TrainingState
from fsrcnn.torch.workers import join
from fsrcnn.training.curve import Epoch
from fsrcnn.training.loading import TrainingData, as_tensors
from fsrcnn.training.pool import PatchPool


def train(folder: Path, host: str, settings: TrainSettings) -> None:
    """Train twice."""
    cpu = torch.device("cpu")
    workers = join(cpu)
    images = np.random.default_rng(1).integers(0, 256, (3, 96, 96)).astype(np.float32)
    pairs = [Pair(image[::4, ::4], image) for image in images]
    data = TrainingData(
        PatchPool.of_pairs(4, pairs[1:]), as_tensors([(pairs[0].lr[None], pairs[0].hr[None])])
    )
    epochs = []

    def on_epoch(row: Epoch) -> None:
        epochs.append(row.epoch)
        waits = folder / f"{host}.waits"
        if waits.exists():
            waits.rename(folder / f"{host}.waiting")
            time.sleep(600)

    def digest(state: TrainingState | None) -> str:
        torch.manual_seed(1)
        network = FSRCNN(4, 8, 4, 1)
        fit(network, data, settings, device=cpu, seed=1, on_epoch=on_epoch, state=state, workers=workers)
        weights = torch.cat([weight.detach().flatten() for weight in network.parameters()])
        return hashlib.sha256(weights.numpy().tobytes()).hexdigest()

    digests = [digest(TrainingState(folder / "state", {})), digest(None)]
    (folder / f"{host}.json").write_text(json.dumps([epochs, digests]))


if __name__ == "__main__":
    options = run.parse_args(sys.argv[1:])
    config, *_ = run.config_from_args(options)
    config.start_method = "fork"
    name, values = options.training_script_args
    elastic_launch(config, train)(
        Path(options.training_script), name, TrainSettings.model_validate_json(values)
    )
