"""Stage `finetune`: the source scale's convolutions, a deconvolution trained for the target scale.

python pipeline/finetune.py
"""

from pathlib import Path

import recording
import stage
import torch

from fsrcnn import device
from fsrcnn.network import checkpoint
from fsrcnn.training import pool
from fsrcnn.training.loop import TrainSettings
from fsrcnn.training.transfer import FinetuneSettings, transfer


def finetune() -> None:
    """Start from `models/x<source>/scratch.safetensors`; write `models/x<scale>/transfer.*`."""
    run = stage.read_run()
    finetune = stage.read_recipe(run, "finetune", FinetuneSettings)
    settings = finetune.applied_to(stage.read_recipe(run, "train", TrainSettings))
    where = device.choose(run.device, run.framework)
    source = Path(f"models/x{finetune.source_scale}/scratch.safetensors")
    file = Path(f"data/x{run.scale}/train.h5")
    data = pool.load(file, run.scale, settings.validation_share)
    torch.manual_seed(run.seed)
    network = transfer(checkpoint.load(source), run.scale)
    recording.record_training(
        network, data, settings, kind="transfer", file=file, device=where, seed=run.seed, source=source
    )


if __name__ == "__main__":
    stage.main(finetune)
