"""Stage `train`: one network at one scale, from scratch.

python pipeline/train.py --scale 4
"""

from pathlib import Path

import recording
import stage
import torch

from fsrcnn import device
from fsrcnn.network.model import FSRCNN
from fsrcnn.training import loading


def train() -> None:
    """Train on `data/x<scale>/train`; write weights and curve to `models/x<scale>/scratch.*`."""
    scale = stage.read_scale(__doc__)
    params = stage.read_params()
    settings, model = params.train, params.model
    where = device.choose(params.device, params.framework)
    folder = Path(f"data/x{scale}/train")
    data = loading.load(folder, scale, settings, params.seed, params.data.degradation)
    torch.manual_seed(params.seed)
    network = FSRCNN(scale, model.d, model.s, model.m)
    recording.record_training(
        network,
        data,
        settings,
        kind="scratch",
        folder=folder,
        device=where,
        seed=params.seed,
        recipe=params.recipe,
        degradation=params.data.degradation,
    )


if __name__ == "__main__":
    stage.main(train)
