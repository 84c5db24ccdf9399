"""Load on the served model: clients that ask for upscaled photographs, all at once.

python benchmarks/serving_load.py [--clients 8] [--seconds 60] [--scale 4] [--size 256]

Starts `mlflow models serve` on the loopback interface with a released network in a temporary store, and
prints requests a second, latencies, errors, and the server's memory over time.
"""

import argparse
import base64
import http.client
import io
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from importlib.resources import as_file, files
from pathlib import Path

import mlflow
import numpy as np
import psutil
from PIL import Image

from fsrcnn.device import processor_name
from fsrcnn.logged_model import log_model
from fsrcnn.samples import photographs
from fsrcnn.settings import SCALES

HOST = "127.0.0.1"
WARMUP = 5  # seconds that do not count
MIB = 2**20


def start(scale: int, folder: Path) -> tuple[psutil.Popen, int]:
    """The server of the released network of a scale, and its port, once it answers."""
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("load", (folder / "mlartifacts").as_uri()))
    with as_file(files("fsrcnn") / "weights" / f"x{scale}.safetensors") as path, mlflow.start_run():
        uri = log_model(path)
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["--model-uri", uri, "--host", HOST, "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        server = psutil.Popen(command, env=environment, stdout=log, stderr=log)
    while server.poll() is None:
        try:
            connection = http.client.HTTPConnection(HOST, port, timeout=10)
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return server, port
        except OSError:
            time.sleep(0.2)
    sys.exit((folder / "server.log").read_text())


def memory(server: psutil.Popen) -> float:
    """Resident memory of the server and what it started, in MiB."""
    return sum(p.memory_info().rss for p in [server, *server.children(recursive=True)]) / MIB


def ask(port: int, body: bytes) -> np.ndarray:
    """One request; the upscaled image. Raises if it is not answered with one."""
    connection = http.client.HTTPConnection(HOST, port, timeout=120)
    try:
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())["predictions"]
    finally:
        connection.close()
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
    bodies = {
        encoding: json.dumps({"inputs": image.tolist(), "params": {"encoding": encoding}}).encode()
        for encoding in ("array", "png")
    }
    with tempfile.TemporaryDirectory() as folder:
        server, port = start(arguments.scale, Path(folder))
        try:
            print(f"{processor_name()}, {os.cpu_count()} cores, x{arguments.scale}, {arguments.size} squared")
            expected = ask(port, bodies["png"])
            for encoding, body in bodies.items():
                single = [_timed(port, body) for _ in range(3)]
                print(f"one client, {encoding}: {statistics.median(single) * 1000:.0f} ms a request")
            _load(server, port, bodies["png"], expected, arguments.clients, arguments.seconds)
        finally:
            for process in [*server.children(recursive=True), server]:
                process.terminate()
            server.wait(30)


def _timed(port: int, body: bytes) -> float:
    start = time.perf_counter()
    ask(port, body)
    return time.perf_counter() - start


def _load(
    server: psutil.Popen, port: int, body: bytes, expected: np.ndarray, clients: int, seconds: float
) -> None:
    times: list[float] = []
    errors: list[str] = []
    begin = time.monotonic() + WARMUP
    end = begin + seconds

    def client() -> None:
        while time.monotonic() < end:
            start = time.perf_counter()
            try:
                wrong = not np.array_equal(ask(port, body), expected)
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
    quarter = len(used) // 4
    first, last = statistics.mean(used[:quarter]), statistics.mean(used[-quarter:])
    print(
        f"{clients} clients, png, {seconds:.0f} s: {len(times)} requests, "
        f"{len(times) / seconds:.1f} a second, p50 {statistics.median(times) * 1000:.0f} ms, "
        f"p95 {percentiles[-1] * 1000:.0f} ms, "
        f"{len(errors)} errors {errors[:1] or ''}\n"
        f"memory of the server: {first:.0f} MiB in the first quarter, {last:.0f} MiB in the last, "
        f"at most {max(used):.0f} MiB"
    )


if __name__ == "__main__":
    main()
