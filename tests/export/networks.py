"""Networks to export: quickly made, and of no released shape."""

import numpy as np

from fsrcnn.network import weights
from fsrcnn.network.weights import Weights

SMALL = {"d": 8, "s": 4, "m": 1}


def random_weights(scale, d=56, s=12, m=4):
    """A network whose output moves with every weight; biases and slopes as large as training leaves them."""
    random = np.random.default_rng(0)
    arrays = {
        name: random.normal(scale=0.1 if len(shape) == 1 else np.prod(shape[1:]) ** -0.5, size=shape)
        for name, shape in weights.shapes(d, s, m).items()
    }
    return Weights(scale, d, s, m, {name: a.astype(np.float32) for name, a in arrays.items()}, {"seed": "0"})
