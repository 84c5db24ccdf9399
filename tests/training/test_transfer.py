import numpy as np
import pytest
import torch

from fsrcnn.data.hdf5 import Pair
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import FinetuneSettings
from fsrcnn.torch.loop import fit
from fsrcnn.training.loading import TrainingData
from fsrcnn.training.pool import PatchPool
from fsrcnn.training.transfer import transfer
from tests.torch.test_loop import settings


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_only_the_deconvolution_learns(scale):
    torch.manual_seed(0)
    source = FSRCNN(3)
    kept = {name: tensor.clone() for name, tensor in source.state_dict().items()}
    network = transfer(source, scale)
    before = network.deconvolution.weight.detach().clone()
    y = np.random.default_rng(0).uniform(0, 255, (20, 20)).astype(np.float32)
    pair = Pair(y, np.kron(y, np.ones((scale, scale), np.float32)))
    data = TrainingData(PatchPool.of_pairs(scale, [pair]), [])
    fit(network, data, settings(steps_per_epoch=3), device=torch.device("cpu"), seed=0)
    for name, tensor in network.state_dict().items():
        if name.startswith("deconvolution."):
            continue
        assert torch.equal(tensor, kept[name]), name
    assert not torch.equal(network.deconvolution.weight, before)
    assert network.scale == scale


def test_finetune_settings_replace_those_of_the_training():
    finetune = FinetuneSettings.parse(
        "finetune", {"source_scale": 3, "learning_rate": 0.5, "epochs": 7, "ema_decay": 0.9}
    )
    applied = finetune.applied_to(settings(batch_size=3, deconvolution_lr_factor=0.1))
    assert (applied.learning_rate, applied.epochs, applied.batch_size) == (0.5, 7, 3)
    assert (applied.deconvolution_lr_factor, applied.ema_decay) == (1, 0.9)
