"""Stand-in: the plain network behind the interface of the inference backends."""

import numpy as np
import torch
from torch.nn import functional as F

from fsrcnn.model import FSRCNN


class Backend:
    """Maps (N, 1, h, w) float32 luma in 0..1 to (N, 1, h*scale, w*scale), not clamped."""

    def __init__(self, network: FSRCNN) -> None:
        self.name, self.scale = "eager", network.scale
        self.network = network

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Upscale a batch."""
        with torch.inference_mode():
            batch = torch.from_numpy(y).to(memory_format=torch.channels_last)
            return F.pixel_shuffle(self.network.subpixel(batch), self.scale).numpy()


def load(network: FSRCNN, name: str = "auto", threads: int | None = None) -> Backend:
    """The one backend there is."""
    if threads:
        torch.set_num_threads(threads)
    return Backend(network)
