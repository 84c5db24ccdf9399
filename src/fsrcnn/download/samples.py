"""A small data set that is always at hand: photographs inside the scikit-image package."""

from pathlib import Path

from PIL import Image

from fsrcnn.errors import InputError

TRAIN = (
    "astronaut.png",
    "brick.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "rocket.jpg",
    "motorcycle_left.png",
    "camera.png",
)
EVALUATION = ("chelsea.png", "coffee.png", "coins.png")


def photographs(names: tuple[str, ...], largest_side: int = 320) -> list[tuple[str, Image.Image]]:
    """(stem, RGB image) in the order of `names`, halved until neither side is above `largest_side`.

    Raises `InputError` when scikit-image is not installed.
    """
    try:
        import skimage
    except ImportError:
        raise InputError(
            "data.source=sample: scikit-image is not installed; run pip install 'fsrcnn[pipeline]'"
        ) from None
    folder = Path(skimage.__file__).parent / "data"
    images = []
    for name in names:
        with Image.open(folder / name) as image:
            rgb = image.convert("RGB")
        while max(rgb.size) > largest_side:
            rgb = rgb.reduce(2)
        images.append((Path(name).stem, rgb))
    return images
