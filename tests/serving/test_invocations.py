"""A model of MLflow behind `fsrcnn serve`: what a client gets wrong, other releases, an alias that moves."""

import http.client
import json
from importlib.resources import as_file, files
from pathlib import Path

import mlflow
import numpy as np
import pytest
from model_server import HOST, JSON
from model_server import request_body as body

from fsrcnn.cli import main
from fsrcnn.serving import invocations
from fsrcnn.serving.server import MAX_JSON
from fsrcnn.tracking import store
from fsrcnn.tracking.logged_model import log_model
from tests.serving.asgi import ask

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
    "nested": b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "too long": b" " * (MAX_JSON + 1),
}
BAD_TYPES = ("text/plain", "image/png", "application/json; charset=latin1", "application/json; version=2")
TABLES = ("text/csv", "application/vnd.apache.parquet")


def test_500_bad_requests_then_a_good_one(fsrcnn_server):
    cases = [(name, content, JSON) for name, content in BAD.items()]
    cases += [(kind, body([[PIXEL]]), {"Content-Type": kind}) for kind in BAD_TYPES]
    cases += [("no type", body([[PIXEL]]), {})]
    cases += [(kind, b"\x00garbage", {"Content-Type": kind}) for kind in TABLES]
    whole = body([[PIXEL]], encoding="png")
    cases += [(f"cut after {n} bytes", whole[:n], JSON) for n in range(1, len(whole) - 1)]
    rng = np.random.default_rng(0)
    while len(cases) < 500:
        noise = rng.bytes(int(rng.integers(1, 200)))
        cases.append((f"noise {noise!r}", noise, JSON))
    answers = {name: fsrcnn_server.invoke(content, headers) for name, content, headers in cases}
    assert {n: a for n, a in answers.items() if not 400 <= a[0] < 500} == {}
    assert b"262144" in answers["too many pixels"][1]
    status, answer = fsrcnn_server.invoke(body([[PIXEL]]))
    assert status == 200, answer
    assert len(json.loads(answer)["predictions"]) == 2


@pytest.mark.parametrize("length", [{"Content-Length": str(2**40)}, {"Transfer-Encoding": "chunked"}])
def test_too_long_a_request_is_refused_before_it_is_read_whole(fsrcnn_server, length):
    connection = http.client.HTTPConnection(HOST, fsrcnn_server.port, timeout=60)
    connection.putrequest("POST", "/invocations")
    for name, value in (JSON | length).items():
        connection.putheader(name, value)
    connection.endheaders()
    if "Transfer-Encoding" in length:
        connection.send(f"{MAX_JSON + 1:x}\r\n".encode() + b" " * (MAX_JSON + 1))
    assert connection.getresponse().status == 413
    connection.close()


def test_a_model_that_is_not_there_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert main(["serve", "models:/absent@champion"]) == 1
    assert capsys.readouterr().err.startswith("fsrcnn: models:/absent@champion: not to be had from")


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A store whose model `net` has two versions, x2 and x3, of which x2 is the champion."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    store.connect(tmp_path)
    client = mlflow.MlflowClient()
    client.create_registered_model("net")
    for scale in (2, 3):
        with (
            as_file(files("fsrcnn.network") / "released" / f"x{scale}.safetensors") as path,
            mlflow.start_run(),
        ):
            client.create_model_version("net", log_model(path))
    client.set_registered_model_alias("net", "champion", 1)
    return client


def test_a_champion_that_moves_is_followed(registry, monkeypatch, caplog):
    uri = "models:/net@champion"
    first = invocations.load(uri)
    assert (first.name, first.scale(None)) == ("models:/net/1", 2)
    assert isinstance(first.invocations, invocations.Invocations)
    assert invocations.read_again(first, uri) is first
    registry.set_registered_model_alias("net", "champion", 2)
    second = invocations.read_again(first, uri)
    assert (second.name, second.scale(None)) == ("models:/net/2", 3)
    registry.delete_registered_model_alias("net", "champion")
    assert invocations.read_again(second, uri) is second
    assert "models:/net/2 goes on" in caplog.text

    # As if the model had been logged by another release.
    monkeypatch.setattr(invocations, "PACKAGE", Path(__file__).parent)
    other = invocations.load("models:/net/1")
    assert other.scale(None) == 2
    status, _, answer = ask(other.invocations, "POST", "/invocations", body([[PIXEL]]))
    assert status == 501
    assert b"mlflow models serve --env-manager local --model-uri models:/net/1" in answer
