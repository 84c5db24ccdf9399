"""`fsrcnn upscale --ray` on Ray's own test cluster on this machine: dying nodes, throughput, many tiny files.

    python benchmarks/cluster.py faults        # 300 pictures and 2 clips, a node killed ten times
    python benchmarks/cluster.py throughput    # beside the plain command on the same folder
    TMPDIR=/dev/shm python benchmarks/cluster.py tiny  # 100,000 files: time and memory of the command

The last one takes minutes; in memory, since a disk would wait for each file twice.

Needs the extras `ray` and `video`, scikit-image's photographs and network namespaces (ray_cluster.py).
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
from ray_cluster import Cluster, possible, running

from fsrcnn.download.samples import photographs
from fsrcnn.system import processor_name, usable_cores

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
CLIPS, FRAMES = 2, 1500  # of 25 a second, in segments of 250
# Prints the seconds from the call to the summary, and the most memory of the command's own process.
COMMAND = """
import json, re, sys, time
from pathlib import Path
from fsrcnn.cli import main
start = time.perf_counter()
status = main(["upscale", *sys.argv[1:]])
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(json.dumps([time.perf_counter() - start, int(peak) / 1000]))
sys.exit(status)
"""


def draw(folder: Path, count: int, side: int) -> Path:
    """So many different JPEGs of `side` x `side` pixels."""
    folder.mkdir()
    images = [image.resize((side + 64, side + 64)) for _, image in photographs(NAMES, 640)]
    for number in range(count):
        x, y = number // len(images) % 64, number // len(images) // 64 % 64
        part = images[number % len(images)].crop((x, y, x + side, y + side))
        part.save(folder / f"{number:06d}.jpg", quality=90)
    return folder


def shoot(path: Path, frames: int) -> Path:
    """A clip of 160x120: a view that moves over a photograph, with a tone as long."""
    ((_, image),) = photographs(NAMES[:1], 640)
    with av.open(str(path), "w") as made:
        video, sound = made.add_stream("libx264", rate=25), made.add_stream("aac", rate=44100)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        for number in range(frames):
            x, y = number % 200, number % 150
            view = av.VideoFrame.from_image(image.crop((x, y, x + 160, y + 120)))
            made.mux(video.encode(view))
        made.mux(video.encode(None))
        wave = np.sin(np.arange(frames * 44100 // 25, dtype=np.float32) / 20)[None]
        for start in range(0, wave.shape[1], 1024):
            tone = av.AudioFrame.from_ndarray(wave[:, start : start + 1024], "fltp", "mono")
            tone.sample_rate, tone.pts = 44100, start
            made.mux(sound.encode(tone))
        made.mux(sound.encode(None))
    return path


def timing_and_sound(path: Path) -> tuple[list[Any], list[Any]]:
    """Time and duration of each frame that is decoded, and each packet of sound."""
    with av.open(str(path)) as clip:
        frames = [(frame.pts, frame.time_base, frame.duration) for frame in clip.decode(video=0)]
    with av.open(str(path)) as clip:
        sound = [(bytes(packet), packet.pts, packet.duration) for packet in clip.demux(audio=0)]
    return frames, sound


def contents(folder: Path) -> dict[Path, bytes]:
    """All files at every depth, hidden ones too."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def timed(
    sources: list[Path], target: Path, cluster: Cluster | None = None, *options: str
) -> tuple[float, float]:
    """Seconds and megabytes of the command, on the cluster or without one."""
    command = [sys.executable, "-c", COMMAND, *sources, "-o", target, *options]
    if cluster:
        done = cluster.run(*command, "--ray", cluster.address)
    else:
        done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak


def faults(folder: Path, count: int, side: int, nodes: int, kills: int) -> None:
    """Kill nodes at random, and compare with what one machine makes of the same files, clips in segments.

    Clips also have the frames' times and the sound of those that one machine makes in one pass.
    """
    expected, plain, target = (folder / name for name in ("expected", "plain", "out"))
    for path in (expected, plain, target):
        path.mkdir()
    clips = [shoot(folder / f"clip{number}.mp4", FRAMES) for number in range(CLIPS)]
    sources = [draw(folder / "in", count, side), *clips]
    timed(sources, expected, None, "--resume")
    timed(clips, plain)
    killed = 0
    with running(nodes) as cluster, (folder / "said").open("w+") as said:
        command = cluster.command(
            *(sys.executable, "-c", COMMAND, *sources, "-o", target, "--ray", cluster.address)
        )
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said) as process:
            while killed < kills:
                time.sleep(random.uniform(1, 3))
                if process.poll() is not None:
                    break
                if any(target.iterdir()):  # it has begun
                    cluster.replace_node()
                    killed += 1
            status = process.wait()
        said.seek(0)
        again = sum("its worker died; it is given to another" in line for line in said)
    made, wanted = contents(target), contents(expected)
    equal = sum(made.get(name) == content for name, content in wanted.items())
    others = len(made.keys() - wanted.keys()) + len(wanted.keys() & made.keys()) - equal
    as_plain = sum(
        (target / clip.name).exists()
        and timing_and_sound(target / clip.name) == timing_and_sound(plain / clip.name)
        for clip in clips
    )
    row = {"pictures": count, "clips": CLIPS, "nodes": nodes, "killed": killed, "given again": again}
    row |= {"equal": equal, "others or leftovers": others, "clips as in one pass": as_plain, "status": status}
    for cells in (row, ["---"] * len(row), row.values()):
        print(f"| {' | '.join(map(str, cells))} |")
    if killed < kills:
        sys.exit("it ended before all were killed; give more pictures, or larger ones")
    if status or made != wanted or as_plain < CLIPS:
        sys.exit("not what one machine makes")


def throughput(folder: Path, count: int, side: int, nodes: int) -> None:
    """Time of one picture, and of each further one, without and with Ray."""
    one, many = draw(folder / "one", 1, side), draw(folder / "many", count, side)
    print("| | one picture, s | each further one, ms | pictures a second |\n| --- | --- | --- | --- |")
    with running(nodes) as cluster:
        for name, where in (("one process", None), (f"Ray, {nodes} nodes of one core", cluster)):
            first, _ = timed([one], folder / f"one of {name}", where)
            seconds, _ = timed([many], folder / f"many of {name}", where)
            each = (seconds - first) / (count - 1)
            print(f"| {name} | {first:.2f} | {each * 1000:.1f} | {1 / each:.1f} |")


def tiny(folder: Path, count: int, nodes: int) -> None:
    """Time and memory of the command as the number of files grows tenfold."""
    print("| files of 16x16 | s | ms a file | MB of the command |\n| --- | --- | --- | --- |")
    with running(nodes) as cluster:
        for number in (count // 100, count // 10, count):
            source = draw(folder / f"{number}", number, 16)
            seconds, peak = timed([source], folder / f"{number} done", cluster)
            print(f"| {number} | {seconds:.1f} | {seconds / number * 1000:.2f} | {peak:.0f} |", flush=True)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=("faults", "throughput", "tiny"))
    parser.add_argument("--count", type=int, help="pictures; default: 300, or 100,000 tiny ones")
    parser.add_argument(
        "--side", type=int, default=500, help="pixels; default: %(default)s; not of tiny ones"
    )
    parser.add_argument("--nodes", type=int, help="of one core each; default: 3 for faults, else the cores")
    parser.add_argument("--kills", type=int, default=10, help="default: %(default)s")
    options = parser.parse_args()
    if not possible():
        sys.exit("no network namespaces here, and Ray listens on all interfaces")
    print(f"{processor_name()}, {usable_cores()} cores\n")
    count, cores = options.count or 300, options.nodes or usable_cores()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.part == "faults":
            faults(folder, count, options.side, options.nodes or 3, options.kills)
        elif options.part == "throughput":
            throughput(folder, count, options.side, cores)
        else:
            tiny(folder, options.count or 100_000, cores)


if __name__ == "__main__":
    main()
