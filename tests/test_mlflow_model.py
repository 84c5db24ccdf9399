"""The logged model behind MLflow's own server: a real image, then everything a client can get wrong."""

import base64
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import time
from importlib.resources import as_file
from importlib.resources import files as package_files

import mlflow
import numpy as np
import pytest
from PIL import Image

from fsrcnn import store, upscale
from fsrcnn.logged_model import log_model
from fsrcnn.samples import photographs

SCALE = 2
JSON = {"Content-Type": "application/json"}


class Server:
    """`mlflow models serve` on the loopback interface."""

    def __init__(self, uri, log):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
        bin_folder = os.path.dirname(sys.executable)  # noqa: PTH120  # MLflow starts uvicorn by name
        self.process = subprocess.Popen(
            [*command, "--model-uri", uri, "--host", "127.0.0.1", "--port", str(self.port)],
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


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    root = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.connect(root)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
        weights = package_files("fsrcnn") / "weights" / f"x{SCALE}.safetensors"
        with as_file(weights) as path, mlflow.start_run():
            uri = log_model(path)
        with (root / "log").open("wb") as log:
            server = Server(uri, log)
            try:
                server.wait_until_ready()
                yield server
            finally:
                server.stop()


@pytest.fixture(scope="module")
def image():
    ((_, photograph),) = photographs(("chelsea.png",), largest_side=120)
    return np.asarray(photograph)


def body(value, **params):
    return json.dumps({"inputs": value, "params": params})


def test_server_gives_what_the_library_gives(server, image):
    for pixels in (image, np.asarray(Image.fromarray(image).convert("L"))[..., None]):
        expected = upscale(pixels.squeeze(), SCALE).astype(int)
        status, answer = server.invoke(body(pixels.tolist()))
        assert status == 200, answer
        array = np.array(json.loads(answer)["predictions"])
        assert array.shape == (pixels.shape[0] * SCALE, pixels.shape[1] * SCALE, pixels.shape[2])
        assert abs(array.squeeze() - expected).max() <= 1
        status, answer = server.invoke(body(pixels.tolist(), encoding="png"))
        assert status == 200, answer
        png = base64.b64decode(json.loads(answer)["predictions"])
        assert abs(np.asarray(Image.open(io.BytesIO(png))).astype(int) - expected).max() <= 1


PIXEL = [10, 20, 30]
BAD = {
    "no body": b"",
    "no JSON": b"{",
    "not UTF-8": b"\xff\xfe\x00",
    "JSON list": b"[]",
    "JSON null": b"null",
    "unknown field": b'{"image": [[[1, 2, 3]]]}',
    "two fields": b'{"inputs": [[[1, 2, 3]]], "instances": [[[1, 2, 3]]]}',
    "null": body(None),
    "text": body("image"),
    "number": body(7),
    "empty": body([]),
    "no rows": body([[], []]),
    "no channels": body([[[]]]),
    "rank 1": body(PIXEL),
    "rank 2": body([PIXEL, PIXEL]),
    "rank 4": body([[[PIXEL]]]),
    "2 channels": body([[[1, 2]]]),
    "4 channels": body([[[1, 2, 3, 4]]]),
    "ragged rows": body([[PIXEL], [PIXEL, PIXEL]]),
    "ragged pixels": body([[PIXEL, [1, 2]]]),
    "above 255": body([[[256, 0, 0]]]),
    "below 0": body([[[-1, 0, 0]]]),
    "huge number": body([[[10**30, 0, 0]]]),
    "NaN": b'{"inputs": [[[NaN, 0, 0]]]}',
    "Infinity": b'{"inputs": [[[Infinity, 0, 0]]]}',
    "text for a value": body([[["a", 0, 0]]]),
    "null for a value": body([[[None, 0, 0]]]),
    "object for a value": body([[[{"r": 1}, 0, 0]]]),
    "object": body({"image": [[PIXEL]]}),
    "too many pixels": body([[[0]] * 512] * 513),
    "unknown encoding": body([[PIXEL]], encoding="jpeg"),
    "encoding of another type": body([[PIXEL]], encoding=[1]),
    "parameters are no object": b'{"inputs": [[[1, 2, 3]]], "params": 5}',
    "data frame": b'{"dataframe_split": {"columns": ["a"], "data": [[1]]}}',
    "bad data frame": b'{"dataframe_split": 5}',
    "bad records": b'{"dataframe_records": {"a": 1}}',
    "bad instances": b'{"instances": {"a": 1}}',
}
BAD_TYPES = ("text/plain", "image/png", "application/json; charset=latin1", "application/json; version=2")
TABLES = ("text/csv", "application/vnd.apache.parquet")


def test_500_bad_requests_then_a_good_one(server):
    cases = [(name, content, JSON) for name, content in BAD.items()]
    cases += [(kind, body([[PIXEL]]), {"Content-Type": kind}) for kind in BAD_TYPES]
    cases += [(kind, b"\x00garbage", {"Content-Type": kind}) for kind in TABLES]
    whole = body([[PIXEL]], encoding="png").encode()
    cases += [(f"cut after {n} bytes", whole[:n], JSON) for n in range(1, len(whole) - 1)]
    rng = np.random.default_rng(0)
    while len(cases) < 500:
        noise = rng.bytes(int(rng.integers(1, 200)))
        cases.append((f"noise {noise!r}", noise, JSON))
    answers = {name: server.invoke(content, headers) for name, content, headers in cases}
    assert {n: a for n, a in answers.items() if not 400 <= a[0] < 500} == {}
    assert b"262144" in answers["too many pixels"][1]
    status, answer = server.invoke(body([[PIXEL]]))
    assert status == 200, answer
    assert len(json.loads(answer)["predictions"]) == SCALE
