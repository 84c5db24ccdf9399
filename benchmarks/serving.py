"""The server under load, beside an earlier one: clients that have photographs upscaled, all at once.

python benchmarks/serving.py [--before FOLDER] [--clients 8] [--seconds 20] [--requests 0] [--size 256]

Starts `fsrcnn serve` on the loopback interface and sends a square photograph, which is answered at x4 as PNG,
then as JPEG; before that, the same to the server of an earlier state of this repository, if FOLDER has it:

    git worktree add /tmp/before 61afde6

That one takes and gives JSON, with a PNG in Base64. Each load lasts so many seconds, and longer until so many
requests are answered. Every answer must be the same bytes as the first.
"""

import argparse
import http.client
import io
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from model_server import HOST, JSON, Server, request_body, started
from PIL import Image

from fsrcnn.download.samples import photographs
from fsrcnn.system import processor_name

WARMUP = 3  # seconds that do not count
MIB = 2**20
# By the names of 61afde6.
LOG_MODEL = """
import mlflow, sys
from importlib.resources import as_file, files
from pathlib import Path
from fsrcnn import store
from fsrcnn.logged_model import log_model
store.connect(Path(sys.argv[1]))
with as_file(files("fsrcnn") / "weights" / "x4.safetensors") as path, mlflow.start_run():
    print(log_model(path))
"""


class Request(NamedTuple):
    """What each client sends again and again."""

    name: str
    path: str
    body: bytes
    headers: Mapping[str, str]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--before", type=Path, help="a checkout of 61afde6, to compare with")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--size", type=int, default=256, help="side of the square input in pixels")
    arguments = parser.parse_args()
    ((_, photograph),) = photographs(("chelsea.png",))
    image = photograph.resize((arguments.size, arguments.size))
    print(
        f"{processor_name()}, {os.cpu_count()} cores, {arguments.clients} clients, "
        f"{arguments.size} squared at x4"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.before:
            with started(_before(arguments.before, folder)) as server:
                body = request_body(np.asarray(image).tolist(), encoding="png")
                _load(server, Request("before, JSON", "/invocations", body, JSON), arguments)
        for form in ("png", "jpeg"):
            command = [sys.executable, "-m", "fsrcnn", "serve"]
            with started(Server(command, os.environ, folder / "now.log", "/healthz")) as server:
                path = f"/upscale?format={form}&network=clean"
                _load(server, Request(f"now, {form}", path, _png(image), {}), arguments)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _before(checkout: Path, folder: Path) -> Server:
    """The server of another state, with a model that this state has logged."""
    environment = {
        **os.environ,
        "PYTHONPATH": str((checkout / "src").resolve()),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
    }
    logging = [sys.executable, "-c", LOG_MODEL, str(folder)]
    uri = subprocess.run(
        logging, env=environment, cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    command = [sys.executable, "-m", "fsrcnn", "serve", uri.split()[-1]]
    return Server(command, environment, folder / "before.log", "/ping")


def _load(server: Server, request: Request, arguments: argparse.Namespace) -> None:
    """All clients at once; prints requests a second, latencies, errors, and the server's memory over time."""
    first = server.request("POST", request.path, request.body, request.headers)
    if first[0] != 200:
        raise RuntimeError(f"{request.name}: status {first[0]}: {first[1][:200]!r}")
    times: list[float] = []
    errors: list[str] = []
    count = 0
    before = _processor_seconds(server)
    begin = time.monotonic() + WARMUP

    def is_over() -> bool:
        enough = len(times) >= arguments.requests
        return bool(errors) or (enough and time.monotonic() >= begin + arguments.seconds)

    def client() -> None:
        nonlocal count
        connection = http.client.HTTPConnection(HOST, server.port, timeout=120)
        while not is_over():
            start = time.perf_counter()
            try:
                connection.request("POST", request.path, request.body, request.headers)
                response = connection.getresponse()
                answer = response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                errors.append(repr(error))
                return
            if answer != first:
                errors.append(f"status {answer[0]}" if answer[0] != 200 else "another picture than at first")
            count += 1
            if time.monotonic() >= begin:
                times.append(time.perf_counter() - start)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(arguments.clients)]
    for thread in threads:
        thread.start()
    used = []
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        if time.monotonic() >= begin:
            used.append(_memory(server))
    seconds = time.monotonic() - begin
    processor = (_processor_seconds(server) - before) / count * 1000
    p50, p95 = (statistics.quantiles(times, n=20)[i] * 1000 for i in (9, 18))
    quarters = ", ".join(f"{part.mean():.0f}" for part in np.array_split(used, 4))
    print(
        f"{request.name}: {len(times)} requests in {seconds:.0f} s, {len(times) / seconds:.1f} a second, "
        f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, {processor:.0f} ms of processor, {len(first[1])} bytes each, "
        f"{len(errors)} errors {errors[:1] or ''}; "
        f"memory {quarters} MiB (means of quarters), at most {max(used):.0f} MiB",
        flush=True,
    )


def _processor_seconds(server: Server) -> float:
    times = psutil.Process(server.process.pid).cpu_times()
    return float(times.user + times.system)


def _memory(server: Server) -> float:
    """Resident memory of the server and what it started, in MiB."""
    process = psutil.Process(server.process.pid)
    return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / MIB


if __name__ == "__main__":
    main()
