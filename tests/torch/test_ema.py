import pytest
import torch

from fsrcnn.network.model import FSRCNN
from fsrcnn.torch import ema


def test_the_decay_grows_to_the_one_asked_for():
    assert [ema.decay_at(step, 0.999) for step in (0, 8, 1000)] == [0.1, 0.5, pytest.approx(1001 / 1010)]
    assert ema.decay_at(10_000, 0.999) == 0.999
    assert ema.decay_at(8, 0.3) == 0.3


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_updates_are_those_of_every_step(decay):
    # One update stands for the 8 steps since the last one, with the decay at its step.
    network = FSRCNN(2)
    average = ema.moving_average(network, decay)
    weight = network.shrinking[0].weight
    expected = None
    for step in range(ema.EVERY, 20 * ema.EVERY + 1, ema.EVERY):
        with torch.no_grad():
            weight.fill_(float(step))
        average.update_parameters(network)
        kept = ema.decay_at(step - ema.EVERY, decay) ** ema.EVERY
        expected = float(step) if expected is None else kept * expected + (1 - kept) * step
    assert average.module.shrinking[0].weight.mean().item() == pytest.approx(expected, rel=1e-4)
