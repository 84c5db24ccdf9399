"""The exponential moving average of the weights, which is what a training gives."""

from collections.abc import Sequence

from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fsrcnn.network.model import FSRCNN

EVERY = 8  # steps; an update costs as much as one of Adam


def moving_average(network: FSRCNN, decay: float) -> AveragedModel:
    """An average to be updated every 8 steps, as if it were updated every step with `decay`."""

    def update(averages: Sequence[Tensor], weights: Sequence[Tensor], updates: Tensor | int) -> None:
        step = EVERY * int(updates)
        get_ema_multi_avg_fn(decay_at(step, decay) ** EVERY)(averages, weights, updates)

    return AveragedModel(network, multi_avg_fn=update)


def decay_at(step: int, decay: float) -> float:
    """The decay after `step` steps: it grows to `decay`, so that the first weights are soon forgotten."""
    return min(decay, (1 + step) / (10 + step))
