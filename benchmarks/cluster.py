"""`fsrcnn upscale --ray` on Ray's own test cluster on this machine: dying nodes, throughput, many tiny files.

    python benchmarks/cluster.py faults        # 300 pictures, a node killed ten times
    python benchmarks/cluster.py throughput    # beside the plain command on the same folder
    python benchmarks/cluster.py tiny          # 100,000 files: time and memory of the command

Needs the extra `ray`, scikit-image's photographs and Linux's network namespaces (ray_cluster.py).
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ray_cluster import Cluster, possible, running

from fsrcnn.download.samples import photographs
from fsrcnn.system import processor_name, usable_cores

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
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


def timed(source: Path, target: Path, cluster: Cluster | None = None) -> tuple[float, float]:
    """Seconds and megabytes of the command, on the cluster or without one."""
    command = [sys.executable, "-c", COMMAND, source, "-o", target]
    if cluster:
        done = cluster.run(*command, "--ray", cluster.address)
    else:
        done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak


def faults(folder: Path, count: int, side: int, nodes: int, kills: int) -> None:
    """Kill nodes at random while the folder is upscaled, and compare with what one machine makes of it."""
    source, expected, target = draw(folder / "in", count, side), folder / "expected", folder / "out"
    timed(source, expected)
    killed = 0
    with running(nodes) as cluster, (folder / "said").open("w+") as said:
        command = cluster.command(
            sys.executable, "-c", COMMAND, source, "-o", target, "--ray", cluster.address
        )
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said) as process:
            while killed < kills:
                time.sleep(random.uniform(1, 3))
                if process.poll() is not None:
                    break
                if target.exists():  # it has begun
                    cluster.replace_node()
                    killed += 1
            status = process.wait()
        said.seek(0)
        again = sum("its worker died; it is given to another" in line for line in said)
    made = {path.name: path.read_bytes() for path in target.iterdir()}
    wanted = {path.name: path.read_bytes() for path in expected.iterdir()}
    equal = sum(made.get(name) == content for name, content in wanted.items())
    print("| pictures | nodes | killed | given again | outputs equal | others or leftovers | status |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    others = len(made.keys() - wanted.keys()) + len(wanted.keys() & made.keys()) - equal
    print(f"| {count} | {nodes} | {killed} | {again} | {equal} | {others} | {status} |")
    if killed < kills:
        sys.exit("it ended before all were killed; give more pictures, or larger ones")
    if status or made != wanted:
        sys.exit("not what one machine makes")


def throughput(folder: Path, count: int, side: int, nodes: int) -> None:
    """Time of one picture, and of each further one, without and with Ray."""
    one, many = draw(folder / "one", 1, side), draw(folder / "many", count, side)
    print("| | one picture, s | each further one, ms | pictures a second |\n| --- | --- | --- | --- |")
    with running(nodes) as cluster:
        for name, where in (("one process", None), (f"Ray, {nodes} nodes of one core", cluster)):
            first, _ = timed(one, folder / f"one of {name}", where)
            seconds, _ = timed(many, folder / f"many of {name}", where)
            each = (seconds - first) / (count - 1)
            print(f"| {name} | {first:.2f} | {each * 1000:.1f} | {1 / each:.1f} |")


def tiny(folder: Path, count: int, nodes: int) -> None:
    """Time and memory of the command as the number of files grows tenfold."""
    print("| files of 16x16 | s | ms a file | MB of the command |\n| --- | --- | --- | --- |")
    with running(nodes) as cluster:
        for number in (count // 100, count // 10, count):
            source = draw(folder / f"{number}", number, 16)
            seconds, peak = timed(source, folder / f"{number} done", cluster)
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
