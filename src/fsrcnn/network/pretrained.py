"""The released networks in PyTorch: FSRCNN(56, 12, 4) at x2, x3 and x4, in two families, and FSRCNN-s."""

from fsrcnn.limits import Family
from fsrcnn.network.checkpoint import network_of
from fsrcnn.network.model import FSRCNN
from fsrcnn.network.weights import released


def load_pretrained(scale: int, family: Family = "clean") -> FSRCNN:
    """The released network of a scale, on the CPU in evaluation mode.

    `family` is what it was trained on: "clean" pictures reduced by bicubic, or "photo", pictures that were
    reduced in several ways and went through JPEG; "photo-s" is FSRCNN(32, 5, 1), smaller and trained as
    "photo".

    It maps (N, 1, h, w) luma in 0..1 to (N, 1, h*scale, w*scale), not clamped. What it was trained
    on and what it reaches is in the metadata of its file, `fsrcnn/network/released/x<scale>.safetensors`,
    `photo-x<scale>.safetensors` or `photo-s-x<scale>.safetensors`.

    Raises `InputError` for a scale or family that has not been released.
    """
    return network_of(released(scale, family))
