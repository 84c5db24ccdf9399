"""`fsrcnn upscale` beside itself at another state of this repository: array, photograph, folder, clip.

    git worktree add /tmp/before 61afde6
    python benchmarks/upscaling.py rgb --before /tmp/before       # or photograph, largest, folder, clip

Every figure is of a process of its own, which imports the package from the one state or the other, in turn;
the best of the rounds counts. Without --before there is the present state alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fsrcnn.download.samples import photographs
from fsrcnn.pictures.picture import Picture
from fsrcnn.pictures.writing import write
from fsrcnn.system import processor_name, usable_cores

NOW = Path(__file__).resolve().parents[1]
NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
Figures = dict[str, float]

ARRAY = """
import json, sys, time, numpy as np, fsrcnn
try:
    from fsrcnn.inference import backends
    from fsrcnn.network.weights import released
except ImportError:  # the states before there were rooms
    from fsrcnn import backends, load_pretrained as released
scale, calls = int(sys.argv[1]), 30
image = np.random.default_rng(0).integers(0, 256, (270, 480, 3), np.uint8)
network, y = backends.load(released(scale), "native"), image[None, None, ..., 0] / np.float32(255)
def median(call):
    for _ in range(3):
        call()
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[calls // 2] * 1000
figures = {"network, ms": median(lambda: network(y)), "RGB, ms": median(lambda: fsrcnn.upscale(image, scale))}
print(json.dumps(figures))
"""
COMMAND = """
import json, re, sys, time
from pathlib import Path
from fsrcnn.cli import main
start = time.perf_counter()
status = main(sys.argv[1:])
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(json.dumps({"seconds": time.perf_counter() - start, "peak, MB": int(peak) / 1000}))
sys.exit(status)
"""


def run(state: Path, code: str, *arguments: object) -> Figures:
    """What the code prints, with the package of a state."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(state / "src")},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{state}: {done.stderr}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def upscale(state: Path, source: Path, target: Path, *options: str) -> Figures:
    """The command, from the start of its work to the file on the disk."""
    help_text = subprocess.run(
        [sys.executable, "-m", "fsrcnn", "upscale", "--help"],
        env={**os.environ, "PYTHONPATH": str(state / "src")},
        capture_output=True,
        text=True,
    ).stdout
    output = ["-o"] if "--output" in help_text else []
    figures = run(state, COMMAND, "upscale", source, *output, target, *options)
    if target.is_file():
        figures["file, MB"] = target.stat().st_size / 1e6
    return figures


def picture(width: int, height: int) -> Image.Image:
    """A photograph's parts, side by side as often as need be."""
    made = Image.new("RGB", (width, height))
    tiles = [image.resize((500, 375)) for _, image in photographs(NAMES, 640)]
    x = y = number = 0
    while y < height:
        made.paste(tiles[number % len(tiles)], (x, y))
        number, x = number + 1, x + 500
        if x >= width:
            x, y = 0, y + 375
    return made


def array(state: Path, folder: Path) -> Figures:
    """480x270 in memory, at x2 and x4."""
    figures = {scale: run(state, ARRAY, scale) for scale in (2, 4)}
    return {f"x{scale}, {key}": value for scale, found in figures.items() for key, value in found.items()}


def photograph(state: Path, folder: Path) -> Figures:
    """4000x3000 to 8000x6000, JPEG to PNG."""
    source = folder / "photograph.jpg"
    if not source.exists():
        picture(4000, 3000).save(source, quality=90)
    target = folder / f"{state.name}.png"
    return upscale(state, source, target, "--scale", "2", "--force")


def largest(state: Path, folder: Path) -> Figures:
    """5000x5000, the most that is taken unless told otherwise, at x4."""
    whole = np.asarray(picture(5000, 5000))
    figures: Figures = {}
    for bits, suffix in ((8, "jpg"), (8, "png"), (16, "png")):
        source, target = folder / f"largest{bits}.{suffix}", folder / f"{state.name}{bits}.{suffix}"
        if not source.exists():
            write(source, Picture(whole if bits == 8 else whole * np.uint16(257)))
        found = upscale(state, source, target, "--force")
        figures |= {f"{suffix}, {bits} bits, {key}": value for key, value in found.items()}
    return figures


def pictures(state: Path, folder: Path) -> Figures:
    """48 JPEGs of 500x375 at x4."""
    source = folder / "pictures"
    if not source.exists():
        source.mkdir()
        whole = picture(4000, 2250)
        for number in range(48):
            x, y = number % 8 * 500, number // 8 * 375
            whole.crop((x, y, x + 500, y + 375)).save(source / f"{number}.jpg", quality=90)
    figures = upscale(state, source, folder / f"{state.name}.large", "--force")
    return {**figures, "files a second": 48 / figures["seconds"]}


def clip(state: Path, folder: Path) -> Figures:
    """96 frames of 480x270 at x4: a photograph that moves."""
    import av

    source = folder / "clip.mp4"
    if not source.exists():
        whole = picture(1000, 750)
        with av.open(str(source), "w") as made:
            stream = made.add_stream("libx264", rate=24, options={"crf": "18"})
            stream.width, stream.height, stream.pix_fmt = 480, 270, "yuv420p"
            for number in range(96):
                part = whole.crop((2 * number, number, 2 * number + 480, number + 270))
                made.mux(stream.encode(av.VideoFrame.from_image(part)))
            made.mux(stream.encode(None))
    figures = upscale(state, source, folder / f"{state.name}.mp4", "--force")
    return {**figures, "frames a second": 96 / figures["seconds"]}


PARTS: dict[str, Callable[[Path, Path], Figures]] = {
    "rgb": array,
    "photograph": photograph,
    "largest": largest,
    "folder": pictures,
    "clip": clip,
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="a work tree of the other state")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--busy", action="store_true", help="with another process that computes")
    options = parser.parse_args()
    states = {"now": NOW} | ({"before": options.before.resolve()} if options.before else {})
    figures: dict[str, list[Figures]] = {name: [] for name in states}
    with tempfile.TemporaryDirectory() as folder:
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if options.busy else None
        try:
            for _ in range(options.rounds):
                for name, state in states.items():
                    figures[name].append(PARTS[options.part](state, Path(folder)))
        finally:
            if busy:
                busy.kill()
    print(f"{PARTS[options.part].__doc__} {processor_name()}, {usable_cores()} cores\n")
    print("| | " + " | ".join(states) + " |\n| --- |" + " --- |" * len(states))
    for key in figures["now"][0]:
        best = max if key.endswith("a second") else min
        print(f"| {key} | " + " | ".join(f"{best(f[key] for f in figures[n]):.1f}" for n in states) + " |")


if __name__ == "__main__":
    main()
