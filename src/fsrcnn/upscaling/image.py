"""Upscale whole images: luma by the network, chroma and alpha by bicubic interpolation.

The native engine does all of it, row by row. The other backends know the network alone: around them the same
is done in NumPy, window by window.
"""

import threading
from functools import lru_cache
from typing import overload

import numpy as np
from PIL import Image

from fsrcnn.errors import InputError
from fsrcnn.inference import backends
from fsrcnn.inference.engine import Engine
from fsrcnn.inference.tiling import receptive_radius, tiled
from fsrcnn.limits import FAMILIES, SCALES, Family
from fsrcnn.network.weights import Weights, released
from fsrcnn.pictures.pillow import from_pillow, to_pillow
from fsrcnn.upscaling import colour
from fsrcnn.upscaling.family import CLEAN, Choice, chosen, suited_to
from fsrcnn.upscaling.transparency import continued

PEAKS = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}
STRIP = 8  # rows of the input whose output is put together at a time, so that the planes stay in the cache


class Upscaler:
    """A network that is ready to upscale images; make it once, call it for each image.

    `backend` is a name that `backends.load` knows.
    """

    def __init__(self, network: Weights, backend: str = "auto") -> None:
        self.network = network
        self.scale = network.scale
        self.backend = backends.load(network, backend)
        self.turn = threading.Lock()  # not every backend runs in several threads at once
        self.margin = receptive_radius(network)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """(h, w) grey or (h, w, c) -> the same, `scale` times as high and wide, of the same type.

        c is 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha); values are uint8, uint16, or float32 in 0..1.
        Colours where alpha is 0 have no effect on what is seen.
        Beside input and output, the memory needed does not grow with the image, but for a copy of the input
        where it has such pixels.
        Raises `InputError` for any other array.
        """
        _check(pixels)
        grey = pixels.ndim == 2
        image = np.ascontiguousarray(pixels[..., None] if grey else pixels)
        if image.shape[2] in (2, 4):
            image = continued(image, self.margin)
        if isinstance(self.backend.run, Engine):
            output = self._empty(image)
            self.backend.run.pixels(image, output, PEAKS[image.dtype], colour.BLACK, colour.SHARE)
        else:
            output = tiled(self._window, image, self.scale, self.margin)
        return output[..., 0] if grey else output

    def luma(self, y: np.ndarray, peak: int, black: float, white: float) -> np.ndarray:
        """A clip's plane of whole numbers, 0..`peak`: (h, w) -> (h*scale, w*scale), of the same type.

        The network's input for 0 is `black`, and `white` more for `peak`.
        """
        if isinstance(self.backend.run, Engine):
            output = self._empty(y)
            self.backend.run.pixels(y[..., None], output[..., None], peak, black, (white, 0, 0))
            return output
        unit = y * np.float32(white / peak) + np.float32(black)
        large = tiled(self._network, unit, self.scale, self.margin)
        return _quantized((large - np.float32(black)) / np.float32(white), peak, y.dtype)

    def plane(
        self, plane: np.ndarray, shape: tuple[int, int], box: tuple[float, ...], peak: int
    ) -> np.ndarray:
        """A plane of whole numbers, 0..`peak`, by bicubic interpolation alone: (h, w) -> `shape`, same type.

        `box` is what the result covers of the plane: left, top, right, bottom in samples. It may reach one
        beyond an edge, where all is as at the edge.
        """
        if isinstance(self.backend.run, Engine):
            output = np.empty(shape, plane.dtype)
            self.backend.run.plane(plane, output, box, peak)
            return output
        wider = np.pad(plane, 1, mode="edge").astype(np.float32)
        left, top, right, bottom = (side + 1 for side in box)
        sides = (left, top, right, bottom)
        large = Image.fromarray(wider).resize(shape[::-1], Image.Resampling.BICUBIC, box=sides)
        return np.asarray(large).round().clip(0, peak).astype(plane.dtype)

    def _empty(self, image: np.ndarray) -> np.ndarray:
        height, width, *channels = image.shape
        return np.empty((height * self.scale, width * self.scale, *channels), image.dtype)

    def _window(self, pixels: np.ndarray) -> np.ndarray:
        peak = PEAKS[pixels.dtype]
        height, width, channels = pixels.shape
        planes = np.empty((channels, height, width), np.float32)
        np.divide(pixels.transpose(2, 0, 1), np.float32(peak), out=planes)
        colours = 3 if channels >= 3 else 1
        y, chroma = colour.split(planes[:colours])
        y = self._network(y)
        beside = colour.bicubic_columns(np.concatenate((chroma, planes[colours:])), self.scale)
        output = np.empty((*y.shape, channels), pixels.dtype)
        for start in range(0, height, STRIP):
            stop = min(start + STRIP, height)
            rows = slice(start * self.scale, stop * self.scale)
            strip = colour.bicubic_rows(beside, self.scale, start, stop)
            merged = colour.merge(y[rows], strip[: len(chroma)])
            for i, plane in enumerate((*merged, *strip[len(chroma) :])):
                output[rows, :, i] = _quantized(plane, peak, pixels.dtype)
        return output

    def _network(self, y: np.ndarray) -> np.ndarray:
        with self.turn:
            return self.backend(np.ascontiguousarray(y)[None, None])[0, 0]


@overload
def upscale(
    image: Image.Image, scale: int = 4, *, family: Choice = "auto", backend: str = "auto"
) -> Image.Image: ...
@overload
def upscale(
    image: np.ndarray, scale: int = 4, *, family: Choice = "auto", backend: str = "auto"
) -> np.ndarray: ...
def upscale(
    image: Image.Image | np.ndarray, scale: int = 4, *, family: Choice = "auto", backend: str = "auto"
) -> Image.Image | np.ndarray:
    """Upscale by 2, 3 or 4 with the released network of that scale.

    `family` is that of the network: "clean", for pictures as they were reduced; "photo", for what went
    through JPEG; or "auto", by what a Pillow image that was opened says of its file, as `family.suited_to`
    does. Arrays are taken as clean, and so is a Pillow image that was changed.

    A Pillow image comes back as one, with its ICC profile: grey, 16-bit grey and alpha are kept, the EXIF
    orientation is applied, and what is stored otherwise (palette, CMYK, ...) becomes RGB. An array,
    (h, w), (h, w, 3) or (h, w, 4), uint8, uint16 or float32 in 0..1, comes back as the same kind of array.

    Raises `InputError` for another scale or family, an array of another kind, an animated image, or a
    backend that is not installed.
    """
    if isinstance(image, Image.Image):
        pixels, metadata = from_pillow(image)
        upscaler = released_upscaler(scale, chosen(family, suited_to(metadata)).family, backend)
        return to_pillow(upscaler(pixels), metadata)
    return released_upscaler(scale, chosen(family, CLEAN).family, backend)(image)


@lru_cache(maxsize=len(SCALES) * len(FAMILIES))
def released_upscaler(scale: int, family: Family, backend: str) -> Upscaler:
    """A released network, made ready once. Raises `InputError` as `released` and `backends.load` do."""
    return Upscaler(released(scale, family), backend)


def _quantized(plane: np.ndarray, peak: int, dtype: np.dtype) -> np.ndarray:
    """0..1, not clamped, to whole numbers of 0..peak, or to float32 in 0..1; changes `plane`."""
    if peak > 1:
        plane *= np.float32(peak)
        np.rint(plane, out=plane)
    return plane.clip(0, peak, out=plane).astype(dtype, copy=False)


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
