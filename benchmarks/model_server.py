"""Networks served over HTTP by a process of its own: for the load benchmark, and for the tests."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.resources import as_file, files
from pathlib import Path

HOST = "127.0.0.1"
JSON = {"Content-Type": "application/json"}


def request_body(inputs: object, **params: object) -> bytes:
    """What a client sends to have an image, as nested lists, upscaled."""
    return json.dumps({"inputs": inputs, "params": params}).encode()


class Server:
    """A command that serves, with a free port of the loopback interface added to it.

    It is ready once it answers at the path `ready`; `log` gets its output.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path, ready: str) -> None:
        with socket.socket() as free:
            free.bind((HOST, 0))
            self.port = free.getsockname()[1]
        self._log, self._ready = log, ready
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--host", HOST, "--port", str(self.port)],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Return once it answers; raises `RuntimeError` with its output when it ended or takes minutes."""
        deadline = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if self.request("GET", self._ready)[0] == 200:
                    return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"the server does not answer: {self._log.read_text()}")

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and content of one answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def invoke(self, body: bytes, headers: Mapping[str, str] = JSON) -> tuple[int, bytes]:
        """Status and content of the answer to one request for a prediction."""
        return self.request("POST", "/invocations", body, headers)

    def stop(self) -> None:
        """End it, with the processes that it started."""
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)


@contextmanager
def served(folder: Path, scale: int, *command: str) -> Iterator[Server]:
    """A server started by the module and arguments `command`, once it answers.

    MODEL in `command` stands for the URI of the released network of a scale; `folder` gets the MLflow
    store that has it, and the server's output.
    """
    import mlflow  # here, since a server of the released networks needs none of it

    from fsrcnn.tracking import store
    from fsrcnn.tracking.logged_model import log_model

    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"  # as MLflow itself leaves it set
    store.connect(folder)
    with as_file(files("fsrcnn.network") / "released" / f"x{scale}.safetensors") as path, mlflow.start_run():
        uri = log_model(path)
    # MLflow's own server starts uvicorn by name.
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs}
    arguments = [uri if part == "MODEL" else part for part in command]
    with started(
        Server([sys.executable, "-m", *arguments], environment, folder / "server.log", "/ping")
    ) as server:
        yield server


@contextmanager
def started(server: Server) -> Iterator[Server]:
    """A server once it answers; it is ended afterwards."""
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()
