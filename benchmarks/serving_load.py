"""Load on the served model: clients that ask for upscaled photographs, all at once.

python benchmarks/serving_load.py [--clients 8] [--seconds 60] [--scale 4] [--size 256]

Starts `fsrcnn serve` on the loopback interface with a released network in a temporary store, and prints
requests a second, latencies, errors, and the server's memory over time.
"""

import argparse
import base64
import http.client
import io
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from model_server import Server, request_body, served
from PIL import Image

from fsrcnn.download.samples import photographs
from fsrcnn.limits import SCALES
from fsrcnn.system import processor_name

WARMUP = 5  # seconds that do not count
MIB = 2**20


def memory(server: Server) -> float:
    """Resident memory of the server and what it started, in MiB."""
    process = psutil.Process(server.process.pid)
    return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / MIB


def ask(server: Server, body: bytes) -> np.ndarray:
    """One request; the upscaled image. Raises if it is not answered with one."""
    status, content = server.invoke(body)
    if status != 200:
        raise OSError(f"status {status}")
    answer = json.loads(content)["predictions"]
    if isinstance(answer, str):
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(answer))))
    return np.array(answer, np.uint8)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--scale", type=int, choices=SCALES, default=4)
    parser.add_argument("--size", type=int, default=256, help="side of the square input in pixels")
    arguments = parser.parse_args()
    ((_, photograph),) = photographs(("chelsea.png",))
    image = np.asarray(photograph.resize((arguments.size, arguments.size)))
    bodies = {encoding: request_body(image.tolist(), encoding=encoding) for encoding in ("array", "png")}
    print(f"{processor_name()}, {os.cpu_count()} cores, x{arguments.scale}, {arguments.size} squared")
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), arguments.scale, "fsrcnn", "serve", "MODEL") as server,
    ):
        expected = ask(server, bodies["png"])
        for encoding, body in bodies.items():
            single = [_timed(server, body) for _ in range(3)]
            print(f"one client, {encoding}: {statistics.median(single) * 1000:.0f} ms a request")
        _load(server, bodies["png"], expected, arguments.clients, arguments.seconds)


def _timed(server: Server, body: bytes) -> float:
    start = time.perf_counter()
    ask(server, body)
    return time.perf_counter() - start


def _load(server: Server, body: bytes, expected: np.ndarray, clients: int, seconds: float) -> None:
    idle = memory(server)
    times: list[float] = []
    errors: list[str] = []
    begin = time.monotonic() + WARMUP
    end = begin + seconds

    def client() -> None:
        while time.monotonic() < end:
            start = time.perf_counter()
            try:
                wrong = not np.array_equal(ask(server, body), expected)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                errors.append(repr(error))
            else:
                if wrong:
                    errors.append("another image than at first")
                if time.monotonic() >= begin:
                    times.append(time.perf_counter() - start)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    used = []
    while time.monotonic() < end:
        time.sleep(0.5)
        if time.monotonic() >= begin:
            used.append(memory(server))
    for thread in threads:
        thread.join()
    percentiles = statistics.quantiles(times, n=20)
    quarters = [f"{part.mean():.0f}" for part in np.array_split(used, 4)]
    print(
        f"{clients} clients, png, {seconds:.0f} s: {len(times)} requests, "
        f"{len(times) / seconds:.1f} a second, p50 {statistics.median(times) * 1000:.0f} ms, "
        f"p95 {percentiles[-1] * 1000:.0f} ms, "
        f"{len(errors)} errors {errors[:1] or ''}\n"
        f"memory of the server: {idle:.0f} MiB before, then {', '.join(quarters)} MiB (means of quarters), "
        f"at most {max(used):.0f} MiB"
    )


if __name__ == "__main__":
    main()
