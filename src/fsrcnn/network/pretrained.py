"""The released networks: FSRCNN(56, 12, 4) at x2, x3 and x4, inside the package."""

from importlib.resources import as_file, files

from fsrcnn.errors import InputError
from fsrcnn.network import checkpoint
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import SCALES


def load_pretrained(scale: int) -> FSRCNN:
    """The released network of a scale, on the CPU in evaluation mode.

    It maps (N, 1, h, w) luma in 0..1 to (N, 1, h*scale, w*scale), not clamped. What it was trained
    on and what it reaches is in the metadata of its file, `fsrcnn/network/released/x<scale>.safetensors`.
    Raises `InputError` for a scale that has not been released.
    """
    if scale not in SCALES:
        raise InputError(f"no released network for scale {scale!r}; choose {', '.join(map(str, SCALES))}")
    with as_file(files("fsrcnn.network") / "released" / f"x{scale}.safetensors") as path:
        return checkpoint.load(path)
