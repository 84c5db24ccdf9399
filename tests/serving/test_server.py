"""Everything a client can get wrong, sent to a real server."""

import http.client
import json
import socket
from contextlib import ExitStack

import numpy as np
import pytest
from model_server import HOST, JSON
from model_server import request_body as body

from fsrcnn.cli import main
from fsrcnn.serving.server import MAX_BYTES, MAX_CONNECTIONS

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
    "too long": b" " * (MAX_BYTES + 1),
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
        connection.send(f"{MAX_BYTES + 1:x}\r\n".encode() + b" " * (MAX_BYTES + 1))
    assert connection.getresponse().status == 413
    connection.close()


def test_connections_are_bounded(fsrcnn_server):
    with ExitStack() as held:

        def hold(count):
            for _ in range(count):
                held.enter_context(socket.create_connection((HOST, fsrcnn_server.port)))

        hold(MAX_CONNECTIONS - 1)
        assert fsrcnn_server.request("GET", "/ping")[0] == 200
        hold(1)
        assert fsrcnn_server.invoke(body([[PIXEL]]))[0] == 503
    assert fsrcnn_server.invoke(body([[PIXEL]]))[0] == 200


def test_a_model_that_is_not_there_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert main(["serve", "models:/absent@champion"]) == 1
    assert capsys.readouterr().err.startswith("fsrcnn: models:/absent@champion: not to be had from")
