"""A clip's processor time by what it goes into, its speed by --preset, and the memory that a long one takes.

python benchmarks/clips.py shares                    # decoding, network, chroma, encoding: one by one
python benchmarks/clips.py presets                   # frames a second and size by --preset
python benchmarks/clips.py memory --frames 20000     # peak after 10, 50 and 100 % of them
python benchmarks/clips.py memory --resume
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import av
import numpy as np
from upscaling import NOW, picture

from fsrcnn.system import processor_name, usable_cores
from fsrcnn.upscaling.clips import frames
from fsrcnn.upscaling.clips.reading import opened
from fsrcnn.upscaling.clips.source import Source
from fsrcnn.upscaling.image import released_upscaler
from fsrcnn.upscaling.planning import Encoding
from fsrcnn.upscaling.video import upscale_clip

PRESETS = ("ultrafast", "superfast", "veryfast", "medium")

MEMORY = """
import json, re, sys
from pathlib import Path
from fsrcnn.cli import main
from fsrcnn.upscaling.clips import frames
total, upscaled, peaks = int(sys.argv[1]), frames.upscaled, []
def counted(*arguments):
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
    peaks.append(int(peak) / 1000)
    return upscaled(*arguments)
frames.upscaled = counted
status = main(["upscale", *sys.argv[2:]])
print(json.dumps({f"{share} %": peaks[total * share // 100 - 1] for share in (10, 50, 100)}))
sys.exit(status)
"""


def write(path: Path, width: int, height: int, count: int) -> None:
    """A photograph that moves, with sound, 25 frames a second."""
    whole = np.asarray(picture(width + 512, height + 512))
    with av.open(str(path), "w") as made:
        video = made.add_stream("libx264", rate=25, options={"crf": "18", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = made.add_stream("aac", rate=48000)
        for number in range(count):
            x, y = abs(number % 1024 - 512), abs(number % 512 - 256)
            part = np.ascontiguousarray(whole[y : y + height, x : x + width])
            made.mux(video.encode(av.VideoFrame.from_ndarray(part, "rgb24")))
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.float32), "fltp", "mono")
            sound.sample_rate, sound.pts = 48000, 1920 * number
            made.mux(audio.encode(sound))
        made.mux([*video.encode(None), *audio.encode(None)])


def shares(folder: Path, scale: int, count: int) -> None:
    """Milliseconds of processor time a frame, in all threads, of a clip of 480x270."""
    source, large = folder / "clip.mp4", folder / "large.mp4"
    write(source, 480, 270, count)
    upscaler = released_upscaler(scale, "photo", "auto")
    spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        spent[name] += (time.process_time() - start) / count * 1000

    with opened(source) as given, av.open(str(large), "w") as made:
        with timed("decoding"):
            clip = Source(given, source)
            small = list(clip.pictures)
        encoder = clip.encoder(made, large, scale, Encoding())
        with patch.object(frames, "upscale_chroma", timed("chroma")(frames.upscale_chroma)):
            for frame in [*small, None]:
                with timed("network"):
                    enlarged = frame and frames.upscaled(frame, clip.form, clip.tags, upscaler)
                with timed("encoding"):
                    packets = encoder.encode(enlarged)
                made.mux(packets)
    spent["network"] -= spent["chroma"]
    print("| | ms a frame | share |\n| --- | --- | --- |")
    for name, value in spent.items():
        print(f"| {name} | {value:.1f} | {value / sum(spent.values()):.0%} |")


def presets(folder: Path, scale: int, count: int) -> None:
    """Frames a second and megabytes of a clip of 480x270 by --preset, the better of two runs."""
    source, upscaler = folder / "clip.mp4", released_upscaler(scale, "photo", "auto")
    write(source, 480, 270, count)

    def unencoded() -> float:
        start = time.perf_counter()
        with opened(source) as given:
            clip = Source(given, source)
            for _ in clip.upscaled(clip.pictures, upscaler):
                pass
        return time.perf_counter() - start

    print("| | frames a second | MB |\n| --- | --- | --- |")
    print(f"| without encoding | {count / min(unencoded(), unencoded()):.1f} | |")
    for preset in PRESETS:
        large, quality = folder / f"{preset}.mp4", Encoding(preset=preset)
        seconds = min(upscale_clip(source, large, upscaler, quality)[1] for _ in range(2))
        print(
            f"| `--preset {preset}` | {count / seconds:.1f} | {large.stat().st_size / 1e6:.2f} |", flush=True
        )


def memory(folder: Path, scale: int, count: int, options: Iterable[str]) -> None:
    """The peak of the command's process, in MB, of a clip of 160x90."""
    source = folder / "long.mp4"
    write(source, 160, 90, count)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(count), str(source), "--scale", str(scale), *options],
        env={**os.environ, "PYTHONPATH": str(NOW / "src")},
        stdout=subprocess.PIPE,
        check=True,
    )
    figures = json.loads(done.stdout.splitlines()[-1])
    print("| " + " | ".join(figures) + " |\n|" + " --- |" * len(figures))
    print("| " + " | ".join(f"{figure:.0f}" for figure in figures.values()) + " |")


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=("shares", "presets", "memory"))
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--resume", action="store_true", help="of memory: with the command's option")
    options = parser.parse_args()
    print(f"{processor_name()}, {usable_cores()} cores, {options.frames} frames at x{options.scale}\n")
    with tempfile.TemporaryDirectory() as folder:
        if options.part == "shares":
            shares(Path(folder), options.scale, options.frames)
        elif options.part == "presets":
            presets(Path(folder), options.scale, options.frames)
        else:
            memory(Path(folder), options.scale, options.frames, ["--resume"] * options.resume)


if __name__ == "__main__":
    main()
