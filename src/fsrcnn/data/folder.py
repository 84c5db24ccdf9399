"""A folder of photographs, to train on or to evaluate with."""

from pathlib import Path

import numpy as np
from PIL import Image

from fsrcnn.errors import InputError
from fsrcnn.pictures.formats import SUFFIXES
from fsrcnn.pictures.reading import read


def read_folder(folder: Path) -> list[tuple[str, Image.Image]]:
    """Every picture of a folder as (stem, RGB image of 8 bits, upright), in sorted file-name order.

    Hidden files are passed over, alpha is left out.
    Raises `InputError` when the folder holds no picture or one of them can't be read.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != ".")
    if not paths:
        raise InputError(f"{folder}: no pictures in this folder; expected {', '.join(SUFFIXES)} files")
    return [(path.stem, _rgb(read(path).pixels)) for path in paths]


def _rgb(pixels: np.ndarray) -> Image.Image:
    """(h, w) or (h, w, c), grey or RGB with or without alpha, 8 or 16 bits -> RGB of 8 bits."""
    channels = pixels[..., None] if pixels.ndim == 2 else pixels
    colours = channels[..., :3] if channels.shape[2] >= 3 else channels[..., [0, 0, 0]]
    if colours.dtype == np.uint16:
        colours = ((colours.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(colours))
