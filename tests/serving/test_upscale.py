"""`fsrcnn serve` with the released networks, in a process that can import neither torch nor MLflow."""

import http.client
import io
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
import zlib
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from model_server import HOST, Server, started
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from fsrcnn import serving
from fsrcnn.cli import main
from fsrcnn.download.samples import photographs
from fsrcnn.errors import InputError
from fsrcnn.inference import backends
from fsrcnn.network import weights
from fsrcnn.pictures.reading import decode
from fsrcnn.pictures.writing import encode
from fsrcnn.serving.connections import MOST
from fsrcnn.serving.server import load
from fsrcnn.upscaling.family import chosen, suited_to
from fsrcnn.upscaling.image import released_upscaler
from tests.test_light import PROGRAM, UPSCALE

FASTAPI = 'HEAVY = tuple(name for name in HEAVY if name != "pydantic")'  # of which it is made
KINDS = ("png", "jpeg", "webp")
CASES = Path(__file__).resolve().parents[1] / "cases"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if "native" not in backends.available():
        pytest.skip("no C compiler")
    command = [sys.executable, "-c", PROGRAM + FASTAPI + UPSCALE, "serve", "--max-megapixels", "1"]
    log = tmp_path_factory.mktemp("served") / "server.log"
    with started(Server(command, os.environ, log, "/healthz")) as running:
        yield running


@pytest.fixture(scope="module")
def pictures():
    ((_, photograph),) = photographs(("chelsea.png",), largest_side=48)
    files = {}
    for kind in KINDS:
        file = io.BytesIO()
        photograph.save(file, kind)
        files[kind] = file.getvalue()
    return files


def answer_of(content, kind, scale=4, network="auto"):
    """What the library makes of it."""
    picture = decode(content)
    family = chosen(network, suited_to(picture.metadata)).family
    pixels = released_upscaler(scale, family, "auto")(picture.pixels)
    return encode(Path(f"a.{kind}"), picture._replace(pixels=pixels))


def upscale(server, content, query="", **headers):
    return server.request("POST", f"/upscale{query}", content, headers)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_the_library(server, pictures, kind):
    content = pictures[kind]
    assert upscale(server, content) == (200, answer_of(content, kind))
    assert upscale(server, content, "?scale=3&network=clean&format=png") == (
        200,
        answer_of(content, "png", 3, "clean"),
    )
    assert upscale(server, content, "?scale=2", Accept="image/webp") == (200, answer_of(content, "webp", 2))


def test_what_belongs_to_a_picture_is_kept(server):
    content = (CASES / "png_text.png").read_bytes()
    status, answer = upscale(server, content, "?scale=2")
    assert status == 200
    assert decode(answer).metadata == decode(content).metadata


def bomb():
    """A PNG of a gigapixel in its header, and few bytes."""
    header = struct.pack(">IIBBBBB", 2**15, 2**15, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    framed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def refused(server, status, words, content, query="", **headers):
    found, answer = upscale(server, content, query, **headers)
    assert (found, words in json.dumps(json.loads(answer))) == (status, True), answer


def test_refusals_say_why(server, pictures):
    png = pictures["png"]
    refused(server, 415, "no PNG, JPEG or WebP", b"")
    refused(server, 415, "no PNG, JPEG or WebP", b"GIF89a")
    refused(server, 413, "megapixels", bomb())
    refused(server, 422, "cut short", png[:-20])
    refused(server, 406, "image/webp", png, Accept="text/html")
    refused(server, 422, "scale", png, "?scale=5")
    refused(server, 422, "format", png, "?format=tiff")
    refused(server, 422, "network", png, "?network=other")
    rgba = encode(Path("a.png"), decode(png)._replace(pixels=np.zeros((4, 4, 4), np.uint8)))
    refused(server, 422, "has no alpha", rgba, "?format=jpeg")
    assert server.request("GET", "/upscale")[0] == 405


@pytest.mark.parametrize("length", [{"Content-Length": str(2**40)}, {"Transfer-Encoding": "chunked"}])
def test_too_long_a_request_is_refused_before_it_is_read_whole(server, length):
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
    connection.putrequest("POST", "/upscale")
    for name, value in length.items():
        connection.putheader(name, value)
    connection.endheaders()
    if "Transfer-Encoding" in length:
        connection.send(b"a00000\r\n" + bytes(10 * 2**20))
    assert connection.getresponse().status == 413
    connection.close()


def test_500_bad_requests_among_slow_clients_then_a_good_one(server, pictures):
    rng = np.random.default_rng(0)
    with ExitStack() as held:
        # More than there is room for: some send nothing, some a part of a head, some a part of a picture.
        for number in range(MOST + 20):
            client = held.enter_context(socket.create_connection((HOST, server.port)))
            head = b"POST /upscale HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n\x89PNG"
            client.sendall(head[: (0, 20, len(head))[number % 3]])
        for number in range(500):
            content = bytearray(pictures[KINDS[number % 3]])
            if number % 2:
                del content[int(rng.integers(len(content))) :]
            else:
                for at in rng.integers(8, len(content), 20):
                    content[at] = rng.integers(256)
            status, answer = upscale(server, bytes(content), "?scale=2&format=png")
            # A picture with some changed bytes may well be one.
            assert status in (200, 413, 415, 422), (number, status, answer)
        assert upscale(server, pictures["png"]) == (200, answer_of(pictures["png"], "png"))


def test_what_a_monitor_and_a_developer_see(server, pictures):
    status, answer = server.request("GET", "/healthz")
    assert (status, json.loads(answer)) == (200, {"status": "ok", "network": "released"})
    before = measures(server)
    upscale(server, pictures["png"], "?scale=2")
    upscale(server, b"")
    server.request("GET", "/made-up")
    after = measures(server)
    ok = ("fsrcnn_requests_total", "/upscale", "200")
    assert after[ok] == before[ok] + 1
    height, width, _ = decode(pictures["png"]).pixels.shape
    made = after["fsrcnn_pixels_total", "", ""] - before["fsrcnn_pixels_total", "", ""]
    assert made == 4 * height * width
    assert after["fsrcnn_requests_total", "/upscale", "415"] >= 1
    assert after["fsrcnn_requests_total", "other", "404"] >= 1
    assert after["fsrcnn_requests_held", "", ""] == 0
    description = json.loads(server.request("GET", "/openapi.json")[1])
    assert set(description["paths"]) == {"/upscale", "/healthz", "/metrics"}
    assert set(description["paths"]["/upscale"]["post"]["requestBody"]["content"]) == {
        "image/png",
        "image/jpeg",
        "image/webp",
    }
    assert server.request("GET", "/docs")[0] == 200


def measures(server):
    text = server.request("GET", "/metrics")[1].decode()
    return {
        (sample.name, sample.labels.get("path", ""), sample.labels.get("status", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_weights_file_a_token_and_a_stop_that_lets_what_runs_end(tmp_path, pictures):
    path = tmp_path / "w.safetensors"
    weights.save(weights.released(3), path)
    (tmp_path / "token").write_text("secret\n")
    command = [sys.executable, "-m", "fsrcnn", "serve", str(path), "--token-file", str(tmp_path / "token")]
    log = tmp_path / "server.log"
    with started(Server(command, os.environ, log, "/healthz")) as server:
        assert upscale(server, pictures["png"])[0] == 401
        allowed = {"Authorization": "Bearer secret"}
        refused(server, 422, "this server has a network for 3 alone", pictures["png"], "?scale=2", **allowed)
        large = io.BytesIO()
        Image.fromarray(np.zeros((300, 300, 3), np.uint8)).save(large, "png")
        answers = []
        asking = [
            threading.Thread(target=lambda: answers.append(upscale(server, large.getvalue(), **allowed)))
            for _ in range(4)  # of which some wait
        ]
        for thread in asking:
            thread.start()
        while measures(server)["fsrcnn_requests_held", "", ""] < 4 and not answers:
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        for thread in asking:
            thread.join()
        server.process.wait(30)
        assert [status for status, _ in answers] == [200] * 4
        assert decode(answers[0][1]).pixels.shape == (900, 900, 3)
    assert "secret" not in log.read_text()


def test_what_is_not_there_is_one_line(tmp_path, capsys):
    assert main(["serve", str(tmp_path / "absent.safetensors")]) == 1
    assert "no such file" in capsys.readouterr().err


def test_a_model_of_mlflow_without_mlflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.delitem(sys.modules, "fsrcnn.serving.invocations", raising=False)
    monkeypatch.delattr(serving, "invocations", raising=False)
    with pytest.raises(InputError, match="mlflow is not installed"):
        load("models:/net@champion")
