"""A folder of photographs, to train on or to evaluate with."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from fsrcnn.errors import InputError
from fsrcnn.pictures.formats import SUFFIXES
from fsrcnn.pictures.reading import read


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder, in sorted file-name order; hidden files are passed over.

    Raises `InputError` when there is none.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != ".")
    if not paths:
        raise InputError(f"{folder}: no pictures in this folder; expected {', '.join(SUFFIXES)} files")
    return paths


def read_folder(folder: Path) -> Iterator[tuple[str, Image.Image]]:
    """Every picture of a folder as (stem, RGB image of 8 bits, upright), one in memory at a time.

    They come in the order of `picture_files`; alpha is left out.
    Raises `InputError` when the folder holds no picture or one of them can't be read.
    """
    for path in picture_files(folder):
        yield path.stem, _rgb(read(path).pixels)


def _rgb(pixels: np.ndarray) -> Image.Image:
    """(h, w) or (h, w, c), grey or RGB with or without alpha, 8 or 16 bits -> RGB of 8 bits."""
    channels = pixels[..., None] if pixels.ndim == 2 else pixels
    colours = channels[..., :3] if channels.shape[2] >= 3 else channels[..., [0, 0, 0]]
    if colours.dtype == np.uint16:
        colours = ((colours.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(colours))
