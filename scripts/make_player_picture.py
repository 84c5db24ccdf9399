"""Draw docs/mpv.png: a photograph as mpv enlarges it by itself, and with the exported shader.

    python scripts/make_player_picture.py      (needs mpv, xvfb-run and Mesa)

A detail of scikit-image's cat is reduced by 4; mpv plays it as video of 4:4:4 on the processor (llvmpipe).
"""

import subprocess
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fsrcnn.download.samples import photographs
from fsrcnn.export.targets import export
from fsrcnn.files import atomic
from fsrcnn.network.weights import released

SCALE = 4
DETAIL = (90, 60, 346, 236)  # of the photograph
CAPTION, GAP = 24, 4
TARGET = Path(__file__).resolve().parents[1] / "docs/mpv.png"


def main() -> None:
    """Write the picture: mpv's best scaler, the shader, the original."""
    ((_, photograph),) = photographs(("chelsea.png",), largest_side=10_000)
    original = photograph.crop(DETAIL)
    width, height = original.size
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        low = original.resize((width // SCALE, height // SCALE), Image.Resampling.BICUBIC)
        low.save(folder / "low.png")
        export([released(SCALE)], "mpv", folder / "fsrcnn.glsl")
        panels = {
            "mpv, ewa_lanczos": play(folder, original.size, "--scale=ewa_lanczos"),
            "mpv, FSRCNN x4": play(folder, original.size, "--glsl-shaders=fsrcnn.glsl"),
            "original": original,
        }
    sheet = Image.new("RGB", (len(panels) * (width + GAP) - GAP, CAPTION + height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=17)
    for column, (caption, panel) in enumerate(panels.items()):
        pen.text((column * (width + GAP) + 2, 2), caption, fill="black", font=font)
        sheet.paste(panel, (column * (width + GAP), CAPTION))
    with atomic(TARGET) as temporary:
        sheet.save(temporary, optimize=True)


def play(folder: Path, size: tuple[int, int], *options: str) -> Image.Image:
    """What mpv shows of low.png at a size. A picture in RGB has no luma to hook: it is made video."""
    display = ["xvfb-run", "-a", "-s", "-screen 0 640x480x24 -noreset"]
    command = [*display, "mpv", "--no-config", "--really-quiet", "--frames=1", *options]
    command += ["--vf-add=format=fmt=yuv444p:colorlevels=limited:colormatrix=bt.601"]
    command += [f"--vf-append=gpu=w={size[0]}:h={size[1]}", "--vo=image", "--vo-image-format=png", "low.png"]
    subprocess.run(command, cwd=folder, check=True)
    with Image.open(folder / "00000001.png") as image:
        return image.convert("RGB")


if __name__ == "__main__":
    main()
