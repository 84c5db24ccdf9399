"""Draw docs/upscaled.png and docs/jpeg.png: what is upscaled, and the original, from bundled photographs.

    python scripts/make_pictures.py

The photographs are scikit-image's (samples.py); the released networks were trained on none of them. Each is
reduced by 4 with Pillow's bicubic, as in training, for docs/jpeg.png saved as a JPEG of quality 60, and
upscaled again as a whole; then a detail is shown.
"""

from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fsrcnn import upscale
from fsrcnn.data.degradation import Degradation, degrade
from fsrcnn.download.samples import photographs
from fsrcnn.files import atomic

SCALE = 4
DETAILS = {"astronaut.png": (340, 110), "chelsea.png": (110, 60)}  # and the upper left corner of the detail
SIDE = 128  # of a detail, in pixels of the original
ZOOM = 2
GAP, CAPTION = 4, 24
FOLDER = Path(__file__).resolve().parents[1] / "docs"

Columns = dict[str, Image.Image]  # caption to picture, each of the size of the original


def main() -> None:
    """Write both pictures: one row a photograph, one column a method."""
    draw(FOLDER / "upscaled.png", clean)
    draw(FOLDER / "jpeg.png", compressed)


def clean(original: Image.Image) -> Columns:
    """What the benchmarks upscale."""
    low = degrade(original, SCALE)
    return {
        f"low resolution, x{SCALE}": low.resize(original.size, Image.Resampling.NEAREST),
        "bicubic": low.resize(original.size, Image.Resampling.BICUBIC),
        "FSRCNN, ours": upscale(low, SCALE),
        "original": original,
    }


def compressed(original: Image.Image) -> Columns:
    """What people upscale."""
    low = degrade(original, SCALE, Degradation(quality=60))
    return {
        "JPEG of quality 60, bicubic": low.resize(original.size, Image.Resampling.BICUBIC),
        "the network for clean pictures": upscale(low, SCALE, family="clean"),
        "the network for photographs": upscale(low, SCALE, family="photo"),
        "original": original,
    }


def draw(target: Path, methods: Callable[[Image.Image], Columns]) -> None:
    """Write details of all photographs, each cropped to multiples of the scale, side by side."""
    images = [image for _, image in photographs(tuple(DETAILS), largest_side=10_000)]
    rows = [methods(image.crop((0, 0, *(side // SCALE * SCALE for side in image.size)))) for image in images]
    width = SIDE * ZOOM
    sheet = Image.new("RGB", (4 * (width + GAP) - GAP, CAPTION + len(rows) * (width + GAP) - GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=17)
    for column, caption in enumerate(rows[0]):
        pen.text((column * (width + GAP) + 2, 2), caption, fill="black", font=font)
    for row, ((left, top), columns) in enumerate(zip(DETAILS.values(), rows, strict=True)):
        for column, image in enumerate(columns.values()):
            detail = image.crop((left, top, left + SIDE, top + SIDE))
            detail = detail.resize((width, width), Image.Resampling.NEAREST)
            sheet.paste(detail, (column * (width + GAP), CAPTION + row * (width + GAP)))
    with atomic(target) as temporary:
        sheet.save(temporary, optimize=True)


if __name__ == "__main__":
    main()
