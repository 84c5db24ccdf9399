"""Draw docs/upscaled.png: low resolution, bicubic and ours beside the original, from bundled photographs.

    python scripts/make_readme_picture.py

The photographs are scikit-image's (samples.py); the released network was trained on none of them. Each is
reduced by 4 with Pillow's bicubic, as in training, and upscaled again as a whole; then a detail is shown.
"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fsrcnn import upscale
from fsrcnn.download.samples import photographs
from fsrcnn.files import atomic

SCALE = 4
DETAILS = {"astronaut.png": (340, 110), "chelsea.png": (110, 60)}  # and the upper left corner of the detail
SIDE = 128  # of a detail, in pixels of the original
ZOOM = 2
GAP, CAPTION = 4, 24
TARGET = Path(__file__).resolve().parents[1] / "docs/upscaled.png"


def main() -> None:
    """Write the picture: one row a photograph, one column a method."""
    rows = [methods(image) for _, image in photographs(tuple(DETAILS), largest_side=10_000)]
    width = SIDE * ZOOM
    sheet = Image.new("RGB", (4 * (width + GAP) - GAP, CAPTION + len(rows) * (width + GAP) - GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=17)
    for column, caption in enumerate(rows[0]):
        pen.text((column * (width + GAP) + 2, 2), caption, fill="black", font=font)
    for row, ((left, top), images) in enumerate(zip(DETAILS.values(), rows, strict=True)):
        for column, image in enumerate(images.values()):
            detail = image.crop((left, top, left + SIDE, top + SIDE))
            detail = detail.resize((width, width), Image.Resampling.NEAREST)
            sheet.paste(detail, (column * (width + GAP), CAPTION + row * (width + GAP)))
    with atomic(TARGET) as temporary:
        sheet.save(temporary, optimize=True)


def methods(image: Image.Image) -> dict[str, Image.Image]:
    """Caption to picture, each of the size of `image` cropped to multiples of the scale."""
    original = image.crop((0, 0, image.width // SCALE * SCALE, image.height // SCALE * SCALE))
    low = original.resize((original.width // SCALE, original.height // SCALE), Image.Resampling.BICUBIC)
    return {
        f"low resolution, x{SCALE}": low.resize(original.size, Image.Resampling.NEAREST),
        "bicubic": low.resize(original.size, Image.Resampling.BICUBIC),
        "FSRCNN, ours": upscale(low, SCALE),
        "original": original,
    }


if __name__ == "__main__":
    main()
