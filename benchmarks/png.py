"""PNG files beside Pillow's: their bytes, and the processor time that they take, for what `upscale` makes.

python benchmarks/png.py

Bundled photographs and three drawings at x4. Times are of all threads together, the best of five.
"""

import io
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fsrcnn import upscale
from fsrcnn.download.samples import photographs
from fsrcnn.pictures import png
from fsrcnn.pictures.picture import Metadata
from fsrcnn.system import processor_name

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "rocket.jpg")
SIZE = (400, 300)
WORDS = ("rows", "of", "a", "picture", "are", "read", "upscaled", "and", "packed", "while", "others", "wait")
ROUNDS = 5


def main() -> None:
    """Measure and print."""
    print(f"{processor_name()}; ours, then Pillow's by its level, of which 6 is the default")
    pictures = [*photographs(PHOTOGRAPHS), ("text", _text()), ("chart", _chart()), ("discs", _discs())]
    for name, image in pictures:
        pixels = np.asarray(upscale(image))
        ours, took = _best(partial(_ours, pixels))
        beside = [(level, *_best(partial(_by_pillow, pixels, level))) for level in (3, 6)]
        words = [
            f"level {level} {theirs / 1000:.0f} kB ({ours / theirs - 1:+.0%}), {ms:.0f} ms"
            for level, theirs, ms in beside
        ]
        print(f"{name}: {ours / 1000:.0f} kB, {took:.0f} ms; {'; '.join(words)}", flush=True)


def _best(encode: Callable[[], bytes]) -> tuple[int, float]:
    """The bytes and the milliseconds of processor time."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        content = encode()
        times.append(time.process_time() - start)
    return len(content), min(times) * 1000


def _ours(pixels: np.ndarray) -> bytes:
    return b"".join(png.write(pixels, Metadata()))


def _by_pillow(pixels: np.ndarray, level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=level)
    return file.getvalue()


def _sheet() -> tuple[Image.Image, ImageDraw.ImageDraw, np.random.Generator]:
    image = Image.new("RGB", SIZE, "white")
    return image, ImageDraw.Draw(image), np.random.default_rng(0)


def _text() -> Image.Image:
    image, pen, rng = _sheet()
    for y in range(10, SIZE[1] - 15, 15):
        pen.text((10, y), " ".join(rng.choice(WORDS, 10)), "black", ImageFont.load_default(12))
    return image


def _chart() -> Image.Image:
    image, pen, rng = _sheet()
    for x in range(30, 350, 55):
        pen.rectangle((x, int(rng.integers(60, 240)), x + 40, 260), _colour(rng), "black")
    pen.line((20, 260, 390, 260), "black", 2)
    pen.line([(x, 100 + 60 * np.sin(x / 23)) for x in range(20, 390)], "red")
    pen.text((100, 5), "Requests a second", "navy", ImageFont.load_default(14))
    return image


def _discs() -> Image.Image:
    image, pen, rng = _sheet()
    for _ in range(40):
        x, y, radius = rng.integers((0, 0, 5), (*SIZE, 70))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), _colour(rng), "black", 2)
    return image


def _colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(value) for value in rng.integers(0, 256, 3))


if __name__ == "__main__":
    main()
