"""From which JPEG quality on the released network for clean pictures is the better one.

    python benchmarks/crossing.py FOLDER [--scale 4] [--qualities 86 88 90 91 92 93]

Reduces every picture of a folder by bicubic, saves it as JPEG of each quality, and prints what `photo`
gains over `clean` there: PSNR of luma in dB by the standard protocol, mean of the pictures. The folder
should hold pictures that neither was trained on and that the figures of no table are of.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fsrcnn.data.degradation import Degradation
from fsrcnn.data.luma import unit
from fsrcnn.data.pairs import make_pair
from fsrcnn.download.folder import read_folder
from fsrcnn.evaluation.degraded import subpixel_form
from fsrcnn.evaluation.quality import psnr
from fsrcnn.evaluation.scores import Network, upscaled
from fsrcnn.limits import SCALES
from fsrcnn.network.pretrained import load_pretrained


def main() -> None:
    """Print a line for each quality."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=int, choices=SCALES, default=4)
    parser.add_argument("--qualities", type=int, nargs="+", default=[86, 88, 90, 91, 92, 93])
    arguments = parser.parse_args()
    scale, pictures = arguments.scale, [image for _, image in read_folder(arguments.folder)]
    networks = {family: subpixel_form(load_pretrained(scale, family)) for family in ("clean", "photo")}
    print(f"{len(pictures)} pictures, x{scale}: what photo gains over clean")
    for quality in arguments.qualities:
        gains = [gained(image, scale, quality, networks) for image in pictures]
        print(f"JPEG {quality}: {np.mean(gains):+.3f} dB", flush=True)


def gained(image: Image.Image, scale: int, quality: int, networks: dict[str, Network]) -> float:
    """PSNR of `photo` less that of `clean` on one picture."""
    lr, hr = map(unit, make_pair(image, scale, "crop", Degradation(quality=quality)))
    inner = slice(scale, -scale)
    scores = {
        method: psnr(torch.from_numpy(result[inner, inner]), torch.from_numpy(hr[inner, inner]))
        for method, result in upscaled(lr, scale, networks, torch.device("cpu"))
    }
    return scores["photo"] - scores["clean"]


if __name__ == "__main__":
    main()
