"""Upscale whole images: luma by the network, chroma and alpha by bicubic interpolation."""

from functools import lru_cache
from typing import overload

import numpy as np
import torch
from PIL import Image

from fsrcnn.errors import InputError
from fsrcnn.inference import backends
from fsrcnn.inference.tiling import receptive_radius, tiled
from fsrcnn.network.model import FSRCNN
from fsrcnn.network.pretrained import load_pretrained
from fsrcnn.upscaling import colour, pictures

PEAKS = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}
STRIP = 128  # rows that are put together at a time, so that the planes stay in the cache


class Upscaler:
    """A network that is ready to upscale images; make it once, call it for each image.

    `backend` is a name that `backends.load` knows.
    """

    def __init__(self, network: FSRCNN, backend: str = "auto") -> None:
        self.scale = network.scale
        self.backend = backends.load(network, backend)
        self.margin = receptive_radius(network)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """(h, w) grey or (h, w, c) -> the same, `scale` times as high and wide, of the same type.

        c is 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha); values are uint8, uint16, or float32 in 0..1.
        Beside input and output, the memory needed does not grow with the image.
        Raises `InputError` for any other array.
        """
        _check(pixels)
        grey = pixels.ndim == 2
        image = pixels[..., None] if grey else pixels
        output = tiled(self._window, image, self.scale, self.margin)
        return output[..., 0] if grey else output

    def luma(self, y: np.ndarray) -> np.ndarray:
        """The network's own input and output, not clamped: (h, w) float32 -> (h*scale, w*scale)."""
        return tiled(self._network, y, self.scale, self.margin)

    @torch.inference_mode()
    def _window(self, pixels: np.ndarray) -> np.ndarray:
        peak = PEAKS[pixels.dtype]
        image = torch.from_numpy(np.require(pixels, requirements=("C", "W")))
        planes = torch.stack([plane.float() for plane in image.unbind(-1)]) / peak
        colours, alpha = planes.tensor_split((3 if len(planes) >= 3 else 1,))
        y, chroma = colour.split(colours)
        y = torch.from_numpy(self._network(y.numpy()))
        # In one call, since each has its overhead.
        chroma, alpha = colour.bicubic(torch.cat((chroma, alpha)), self.scale).tensor_split((len(chroma),))
        output = torch.empty(*y.shape, len(planes), dtype=image.dtype)
        for start in range(0, len(y), STRIP):
            rows = slice(start, start + STRIP)
            strip = colour.merge(y[rows], chroma[:, rows])
            if len(alpha):
                strip = torch.cat((strip, alpha[:, rows]))
            torch.stack(_quantized(strip, peak, image.dtype).unbind(), -1, out=output[rows])
        return output.numpy()

    def _network(self, y: np.ndarray) -> np.ndarray:
        return self.backend(np.ascontiguousarray(y)[None, None])[0, 0]


@overload
def upscale(image: Image.Image, scale: int = 4, *, backend: str = "auto") -> Image.Image: ...
@overload
def upscale(image: np.ndarray, scale: int = 4, *, backend: str = "auto") -> np.ndarray: ...
def upscale(
    image: Image.Image | np.ndarray, scale: int = 4, *, backend: str = "auto"
) -> Image.Image | np.ndarray:
    """Upscale by 2, 3 or 4 with the released network of that scale.

    A Pillow image comes back as one, with its ICC profile: grey, 16-bit grey and alpha are kept, the EXIF
    orientation is applied, and what is stored otherwise (palette, CMYK, ...) becomes RGB. An array,
    (h, w), (h, w, 3) or (h, w, 4), uint8, uint16 or float32 in 0..1, comes back as the same kind of array.

    Raises `InputError` for another scale, an array of another kind, an animated image, or a backend that
    is not installed.
    """
    upscaler = _released(scale, backend)
    if isinstance(image, Image.Image):
        picture = pictures.from_pillow(image)
        return pictures.to_pillow(picture._replace(pixels=upscaler(picture.pixels)))
    return upscaler(image)


@lru_cache(maxsize=8)
def _released(scale: int, backend: str) -> Upscaler:
    return Upscaler(load_pretrained(scale), backend)


def _quantized(planes: torch.Tensor, peak: int, dtype: torch.dtype) -> torch.Tensor:
    """0..1, not clamped, to whole numbers of 0..peak, or to float32 in 0..1; changes `planes`."""
    if peak > 1:
        planes.mul_(peak).round_()
    return planes.clamp_(0, peak).to(dtype)


def _check(pixels: np.ndarray) -> None:
    if not isinstance(pixels, np.ndarray):
        raise InputError(f"no image: {type(pixels).__name__}; give a Pillow image or a NumPy array")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (2, 3, 4))):
        raise InputError(f"no image: array of shape {pixels.shape}; expected (h, w), (h, w, 3) or (h, w, 4)")
    if 0 in pixels.shape:
        raise InputError(f"no image: empty array of shape {pixels.shape}")
    if pixels.dtype not in PEAKS:
        raise InputError(f"no image: array of {pixels.dtype}; expected uint8, uint16, or float32 in 0..1")
    # Written so that NaN fails, too.
    if pixels.dtype == np.float32 and not (pixels.min() >= 0 and pixels.max() <= 1):
        raise InputError("no image: float32 values outside 0..1; divide by the largest value")
