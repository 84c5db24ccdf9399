"""The picture a person looks at: low resolution, bicubic, ours and the original side by side."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from fsrcnn.data.hdf5 import Luma, Pair
from fsrcnn.evaluation.quality import psnr
from fsrcnn.evaluation.scores import Network, upscaled
from fsrcnn.files import atomic

SIDE = 128  # of the detail, in high-resolution pixels
ZOOM = 3
CAPTION = 24


def draw_comparison(pair: Pair, scale: int, network: Network, device: torch.device, path: Path) -> None:
    """Write a PNG of the detail of `pair` with the most contrast, with each method's PSNR over the image."""
    lr, target = pair.unit()[:2]
    side = min(SIDE, *target.shape)
    top, left = _busiest(target, side)
    nearest = np.kron(lr, np.ones((scale, scale), np.float32))
    tiles = [(f"{pair.image}, x{scale}", nearest)]
    for method, image in upscaled(lr, scale, {"FSRCNN": network}, device):
        value = psnr(torch.from_numpy(image), torch.from_numpy(target))
        tiles.append((f"{method}: {value:.2f} dB", image))
    tiles.append(("original", target))
    width = side * ZOOM
    sheet = Image.new("L", (len(tiles) * (width + 4) - 4, width + CAPTION), 255)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=17)
    for i, (caption, image) in enumerate(tiles):
        detail = (image[top : top + side, left : left + side] * 255).round().astype(np.uint8)
        sheet.paste(
            Image.fromarray(detail).resize((width, width), Image.Resampling.NEAREST),
            (i * (width + 4), CAPTION),
        )
        pen.text((i * (width + 4) + 2, 3), caption, fill=0, font=font)
    with atomic(path) as temporary:
        sheet.save(temporary)


def _busiest(image: Luma, side: int) -> tuple[int, int]:
    """Top left corner, on a coarse grid, of the square with the largest variance."""
    step = max(1, side // 4)
    corners = [
        (y, x)
        for y in range(0, image.shape[0] - side + 1, step)
        for x in range(0, image.shape[1] - side + 1, step)
    ]
    return max(corners, key=lambda corner: float(image[corner[0] :, corner[1] :][:side, :side].var()))
