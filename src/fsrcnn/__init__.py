"""FSRCNN super-resolution: data, network, training, evaluation, latency, tracking, upscaling.

`upscale(image, scale)` upscales a Pillow image or NumPy array; `load_pretrained(scale, family)` returns
a released network.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsrcnn.network.pretrained import load_pretrained
    from fsrcnn.upscaling.image import upscale

__all__ = ["load_pretrained", "upscale"]


def __getattr__(name: str) -> object:
    """Import the two on first use: torch takes seconds, and `fsrcnn --help` needs none of it."""
    if name == "load_pretrained":
        try:
            from fsrcnn.network.pretrained import load_pretrained
        except ModuleNotFoundError as error:
            from fsrcnn.errors import InputError

            raise InputError(f"load_pretrained needs {error.name}; run pip install 'fsrcnn[train]'") from None
        return load_pretrained
    if name == "upscale":
        from fsrcnn.upscaling.image import upscale

        return upscale
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
