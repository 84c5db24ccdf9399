"""Stage `finetune`: the source scale's convolutions, a deconvolution trained for the target scale.

python pipeline/finetune.py
"""

from pathlib import Path

import recording
import stage
import torch

from fsrcnn import device
from fsrcnn.network import checkpoint
from fsrcnn.training import loading
from fsrcnn.training.transfer import transfer


def finetune() -> None:
    """Start from `models/x<source>/scratch.safetensors`; write `models/x<scale>/transfer.*`."""
    params = stage.read_params()
    settings = params.finetune.applied_to(params.train)
    where = device.choose(params.device, params.framework)
    source = Path(f"models/x{params.finetune.source_scale}/scratch.safetensors")
    trained = checkpoint.load(source)
    folder = Path(f"data/x{params.scale}/train")
    data = loading.load(folder, params.scale, settings, params.seed, params.data.degradation)
    torch.manual_seed(params.seed)
    network = transfer(trained, params.scale)
    recording.record_training(
        network,
        data,
        settings,
        kind="transfer",
        folder=folder,
        device=where,
        seed=params.seed,
        recipe=params.recipe,
        degradation=params.data.degradation,
        source=source,
    )


if __name__ == "__main__":
    stage.main(finetune)
