"""A released network as a logged model, served over HTTP by a process of its own."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.resources import as_file
from importlib.resources import files as package_files

import mlflow
import pytest

from fsrcnn import store
from fsrcnn.logged_model import log_model

SCALE = 2
JSON = {"Content-Type": "application/json"}


class Server:
    """A command that serves a model, with a free port of the loopback interface added to it."""

    def __init__(self, command, log):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        bin_folder = os.path.dirname(sys.executable)  # noqa: PTH120  # MLflow starts uvicorn by name
        self.process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(self.port)],
            env={**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_until_ready(self):
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self.process.poll() is None, "the server ended"
            try:
                if self.request("GET", "/ping")[0] == 200:
                    return
            except OSError:
                time.sleep(0.2)
        raise TimeoutError("the server does not answer")

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def invoke(self, body, headers=JSON):
        return self.request("POST", "/invocations", body, headers)

    def stop(self):
        os.killpg(self.process.pid, 15)
        self.process.wait(30)


def body(value, **params):
    return json.dumps({"inputs": value, "params": params})


@contextmanager
def served(root, *command):
    """A server started by `command`, in which MODEL stands for the URI of the released x2 network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.connect(root)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
        weights = package_files("fsrcnn") / "weights" / f"x{SCALE}.safetensors"
        with as_file(weights) as path, mlflow.start_run():
            uri = log_model(path)
        command = [sys.executable, "-m", *(uri if part == "MODEL" else part for part in command)]
        with (root / "log").open("wb") as log:
            server = Server(command, log)
            try:
                server.wait_until_ready()
                yield server
            finally:
                server.stop()
