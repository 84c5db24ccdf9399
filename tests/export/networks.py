"""Networks to export: quickly made, and of no released shape."""

from dataclasses import replace

import numpy as np

from fsrcnn.inference import backends
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


def output(network, luma):
    """What the network makes of luma (h, w) in 0..255, clamped to 0..255."""
    large = backends.load(network, "onnxruntime")(luma[None, None].astype(np.float32) / 255)
    return 255 * large[0, 0].clip(0, 1)


def within_range(network, luma):
    """The network, its last layer changed so that the output for `luma` is 64..192: no colour is clipped."""
    large = backends.load(network, "onnxruntime")(luma[None, None].astype(np.float32) / 255)
    factor = np.float32((192 - 64) / 255) / (large.max() - large.min())
    arrays = {
        **network.arrays,
        "deconvolution.weight": network.arrays["deconvolution.weight"] * factor,
        "deconvolution.bias": (network.arrays["deconvolution.bias"] - large.min()) * factor
        + np.float32(64 / 255),
    }
    return replace(network, arrays=arrays)
