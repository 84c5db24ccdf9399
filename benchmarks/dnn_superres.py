"""Set5 at x4 through OpenCV's `dnn_superres`: each released family, by how the picture was reduced.

    pip install --no-deps --target contrib opencv-contrib-python-headless
    PYTHONPATH=contrib python benchmarks/dnn_superres.py ~/images/Set5

8-bit colour in and out, PSNR on luma without a border of 4 pixels, beside OpenCV's own bicubic. The module
can't be installed beside OpenCV, so it has a folder of its own.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fsrcnn.data.luma import luma
from fsrcnn.export.opencv_graph import to_opencv
from fsrcnn.limits import FAMILIES, Family
from fsrcnn.network.weights import released

SCALE = 4
Resize = Callable[[np.ndarray, int, int], np.ndarray]


def pillow_bicubic(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """With antialiasing, as the networks were trained."""
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def opencv(interpolation: int) -> Resize:
    """OpenCV's own."""
    return lambda image, width, height: cv2.resize(image, (width, height), interpolation=interpolation)


REDUCTIONS: dict[str, Resize] = {
    "Pillow's bicubic": pillow_bicubic,
    "`INTER_AREA`": opencv(cv2.INTER_AREA),
    "`INTER_CUBIC`": opencv(cv2.INTER_CUBIC),
    "`INTER_LINEAR`": opencv(cv2.INTER_LINEAR),
}


def psnr(rgb: np.ndarray, expected: np.ndarray) -> float:
    """In dB, on luma, without the border."""
    error = (luma(rgb) - luma(expected))[SCALE:-SCALE, SCALE:-SCALE]
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def network(family: Family, folder: Path) -> Resize:
    """A released family through `dnn_superres`, RGB to RGB."""
    path = folder / f"{family}.pb"
    path.write_bytes(to_opencv(released(SCALE, family)))
    model = cv2.dnn_superres.DnnSuperResImpl.create()  # type: ignore[attr-defined]
    model.readModel(str(path))
    model.setModel("fsrcnn", SCALE)
    return lambda image, width, height: model.upsample(np.ascontiguousarray(image[..., ::-1]))[..., ::-1]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the pictures")
    folder = parser.parse_args().folder
    pictures = []
    for path in sorted(folder.iterdir()):
        image = np.asarray(Image.open(path).convert("RGB"))
        pictures.append(image[: len(image) // SCALE * SCALE, : image.shape[1] // SCALE * SCALE])
    with tempfile.TemporaryDirectory() as made:
        methods = {"OpenCV's bicubic": opencv(cv2.INTER_CUBIC)}
        methods |= {f"`{family}`": network(family, Path(made)) for family in FAMILIES}
        print(f"OpenCV {cv2.__version__}, {len(pictures)} pictures\n")
        print("| reduced by | " + " | ".join(methods) + " |\n" + "| --- " * (len(methods) + 1) + "|")
        for name, reduce in REDUCTIONS.items():
            scores = []
            for enlarge in methods.values():
                values = []
                for image in pictures:
                    height, width = image.shape[:2]
                    small = reduce(image, width // SCALE, height // SCALE)
                    values.append(psnr(enlarge(small, width, height), image))
                scores.append(f"{np.mean(values):.2f}")
            print(f"| {name} | " + " | ".join(scores) + " |")


if __name__ == "__main__":
    main()
