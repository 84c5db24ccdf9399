"""The learning-rate schedule."""

import math

from fsrcnn.settings import ScheduleName


def lr_factor(schedule: ScheduleName, step: int, total: int, warmup_steps: int) -> float:
    """The factor on the learning rate at `step`, counted from 0.

    A linear warm-up to 1, then the schedule: from 1 down to 0 at `total`, unless it is constant.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, total - warmup_steps)
    if schedule == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    return 1 - done if schedule == "linear" else 1.0
