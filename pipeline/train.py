"""Stage `train`: one network at one scale, from scratch.

python pipeline/train.py --scale 4
"""

from pathlib import Path

import recording
import stage
import torch

from fsrcnn import device
from fsrcnn.network.model import FSRCNN, ModelSettings
from fsrcnn.training import pool
from fsrcnn.training.loop import TrainSettings


def train() -> None:
    """Train on `data/x<scale>/train.h5`; write weights and curve to `models/x<scale>/scratch.*`."""
    scale = stage.read_scale(__doc__)
    run = stage.read_run()
    settings = stage.read_recipe(run, "train", TrainSettings)
    model = stage.read_section("model", ModelSettings)
    where = device.choose(run.device, run.framework)
    file = Path(f"data/x{scale}/train.h5")
    data = pool.load(file, scale, settings.validation_share)
    torch.manual_seed(run.seed)
    network = FSRCNN(scale, model.d, model.s, model.m)
    recording.record_training(network, data, settings, kind="scratch", file=file, device=where, seed=run.seed)


if __name__ == "__main__":
    stage.main(train)
