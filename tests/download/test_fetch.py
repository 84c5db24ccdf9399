import hashlib
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tqdm import tqdm

from fsrcnn.download.fetch import CHUNK_BYTES, direct_link, fetch
from fsrcnn.errors import InputError

# A transfer cut at CUT ends within a chunk; all that came is kept.
BODY = random.Random(0).randbytes(4 * CHUNK_BYTES + 321)
NEW_BODY = random.Random(1).randbytes(len(BODY))
CUT = 2 * CHUNK_BYTES + CHUNK_BYTES // 2
PAGE = b"<!DOCTYPE html><title>Shared with you</title>"


class Host(ThreadingHTTPServer):
    """The path of a request chooses the behaviour; `seen` holds what was asked and sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []
        self.half_sent = threading.Event()
        self.go_on = threading.Event()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def asked(self, name):
        return [seen for seen in self.seen if seen["name"] == name]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        name = url.path.strip("/")
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        first = not self.server.asked(name)
        self.seen = {"name": name, "range": self.headers["Range"], "sent": 0}
        self.server.seen.append(self.seen)
        match name:
            case "file":
                self.file()
            case "moved":
                self.answer(302, {"Location": "/file"})
            case "share":
                if query["dl"] == "1":
                    self.answer(302, {"Location": "/file"})
                else:
                    self.answer(200, {"Content-Type": "text/html; charset=utf-8"}, PAGE)
            case "page":
                self.answer(200, {"Content-Type": "text/html"}, b"Sign in to go on")
            case "disguised":
                self.answer(200, {"Content-Type": "application/binary"}, b"\n" + PAGE)
            case "status":
                times = int(query.get("times", 1000))
                if len(self.server.asked(name)) <= times:
                    after = {"Retry-After": query["after"]} if "after" in query else {}
                    self.answer(int(query["code"]), after, PAGE)
                else:
                    self.file()
            case "cut":
                self.file(stop=CUT if first else None)
            case "cut-no-etag":
                self.file(stop=CUT if first else None, etag=None)
            case "cut-weak":
                self.file(stop=CUT if first else None, etag='W/"old"')
            case "changed-no-etag":
                self.file(stop=CUT, etag=None) if first else self.file(NEW_BODY, etag=None)
            case "changed-weak":
                self.file(stop=CUT, etag='W/"one"') if first else self.file(NEW_BODY, etag='W/"one"')
            case "rest-without-etag":
                self.file(stop=CUT) if first else self.file(NEW_BODY, etag=None, if_range=False)
            case "cut-no-range":
                self.file(stop=CUT if first else None, ranges=False)
            case "changed":
                self.file(stop=CUT) if first else self.file(NEW_BODY, etag='"new"')
            case "changed-ignores-if-range":
                self.file(stop=CUT) if first else self.file(NEW_BODY, '"new"', if_range=False)
            case "shrunk":
                self.file(stop=CUT) if first else self.file(NEW_BODY[:999], if_range=False)
            case "grown":
                self.file(stop=CUT) if first else self.file(NEW_BODY + b"more", if_range=False)
            case "short":
                self.file(stop=CUT, ranges=False)
            case "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            case "silent":
                self.server.go_on.wait(10)
            case "drip":
                self.answer(200, {"Content-Length": str(len(BODY))}, BODY[:10])
                while not self.server.go_on.wait(0.02):
                    self.wfile.write(b".")
            case "round":
                self.answer(302, {"Location": "/round"})
            case "replaced":
                self.file(BODY if first else NEW_BODY)
            case "slow":
                self.file(pause=True)

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)
        self.seen["sent"] = len(body)

    def file(self, body=BODY, etag='"old"', *, stop=None, ranges=True, if_range=True, pause=False):
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "") if ranges else None
        if if_range and self.headers["If-Range"] not in (None, etag):
            wanted = None
        start = int(wanted[1]) if wanted else 0
        headers = {"ETag": etag} if etag else {}
        if start >= len(body):
            return self.answer(416, {"Content-Range": f"bytes */{len(body)}"})
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        headers["Content-Length"] = str(len(body) - start)
        if pause:
            self.answer(200, headers, body[:CUT])
            self.server.half_sent.set()
            self.server.go_on.wait(10)
            self.wfile.write(body[CUT:])
        else:
            self.answer(206 if wanted else 200, headers, body[start:stop])


@pytest.fixture
def host(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Host()
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    yield server
    server.go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "images.zip"


quick = partial(fetch, attempts=3, timeout=5, backoff=0.001)


def left_over(path):
    """What lies in the folder of `path` besides the lock and the checksum."""
    return {file.name for file in path.parent.iterdir()} - {path.name + ".lock", path.name + ".sha256.json"}


def refused(url, path, **options):
    with pytest.raises(InputError) as caught:
        quick(url, path, **options)
    message = str(caught.value)
    assert url in message
    assert "\n" not in message
    assert not path.exists()
    return message


@pytest.mark.parametrize(
    ("link", "requests"),
    [
        ("file", 1),
        ("moved", 2),
        ("share?rlkey=a&dl=0", 2),
        ("share?dl=1", 2),
        ("status?code=429&times=1&after=0", 2),
        ("status?code=503&times=2", 3),
    ],
)
def test_file_arrives_whole(host, path, link, requests):
    quick(host.url(link), path)
    assert path.read_bytes() == BODY
    assert left_over(path) == {path.name}
    assert len(host.seen) == requests


def test_existing_file_is_left_alone(host, path):
    path.parent.mkdir()
    path.write_bytes(b"mine")
    quick(host.url("file"), path)
    assert path.read_bytes() == b"mine"
    assert host.seen == []


@pytest.mark.parametrize(
    ("link", "direct"),
    [
        ("https://host/f.zip?dl=0", "https://host/f.zip?dl=1"),
        ("https://host/f.zip?rlkey=a&dl=0&st=b", "https://host/f.zip?rlkey=a&dl=1&st=b"),
        ("https://host/f.zip?dl=0#top", "https://host/f.zip?dl=1#top"),
        ("https://host/f.zip?dl=1", "https://host/f.zip?dl=1"),
        ("https://host/f.zip?dl=01&xdl=0", "https://host/f.zip?dl=01&xdl=0"),
        ("https://host/dl=0/f.zip", "https://host/dl=0/f.zip"),
    ],
)
def test_direct_link(link, direct):
    assert direct_link(link) == direct


def test_resumes_where_the_connection_broke(host, path):
    quick(host.url("cut"), path)
    assert path.read_bytes() == BODY
    assert [(seen["range"], seen["sent"]) for seen in host.seen] == [
        (None, CUT),
        (f"bytes={CUT}-", len(BODY) - CUT),
    ]


def test_resumes_what_an_earlier_call_left(host, path):
    refused(host.url("cut"), path, attempts=1)
    assert left_over(path) == {"images.zip.part", "images.zip.part.json"}
    quick(host.url("cut"), path)
    assert path.read_bytes() == BODY
    assert host.seen[-1]["range"] == f"bytes={CUT}-"
    assert left_over(path) == {path.name}


def test_does_not_resume_from_another_link(host, path):
    refused(host.url("cut"), path, attempts=1)
    quick(host.url("file"), path)
    assert path.read_bytes() == BODY
    assert host.seen[-1]["range"] is None


@pytest.mark.parametrize(
    ("link", "body"),
    [
        ("cut-no-etag", BODY),
        ("cut-weak", BODY),
        ("changed-no-etag", NEW_BODY),
        ("changed-weak", NEW_BODY),
    ],
)
@pytest.mark.parametrize("calls", [1, 2])
def test_without_a_strong_etag_all_is_fetched_again(host, path, link, body, calls):
    """Half of the old file and half of the new one, of the same length, would pass for a whole one."""
    if calls == 2:
        refused(host.url(link), path, attempts=1)
    quick(host.url(link), path)
    assert path.read_bytes() == body
    assert [(seen["range"], seen["sent"]) for seen in host.seen] == [(None, CUT), (None, len(body))]


@pytest.mark.parametrize(
    ("link", "body", "requests"),
    [
        ("cut-no-range", BODY, 2),
        ("changed", NEW_BODY, 2),
        ("changed-ignores-if-range", NEW_BODY, 3),
        ("rest-without-etag", NEW_BODY, 3),
        ("shrunk", NEW_BODY[:999], 3),
        ("grown", NEW_BODY + b"more", 3),
    ],
)
def test_starts_again_when_the_rest_does_not_fit(host, path, link, body, requests):
    quick(host.url(link), path, attempts=2)  # the fresh start is part of the second attempt
    assert path.read_bytes() == body
    assert len(host.seen) == requests
    assert host.seen[1]["range"] == f"bytes={CUT}-"


@pytest.mark.parametrize(
    ("link", "reason", "requests"),
    [
        ("status?code=404", "HTTP 404 Not Found", 1),
        ("status?code=403&after=0", "HTTP 403 Forbidden", 1),
        ("status?code=204", "HTTP 204", 1),
        ("status?code=429&after=0", "HTTP 429 Too Many Requests after 3 attempts", 3),
        ("status?code=503", "HTTP 503 Service Unavailable after 3 attempts", 3),
        ("page", "web page", 1),
        ("disguised", "web page", 1),
        ("round", "Exceeded 30 redirects", 31),
        ("short", "after 3 attempts", 3),
        ("reset", "Connection reset by peer after 3 attempts", 3),
    ],
)
def test_failure_says_why(host, path, link, reason, requests):
    assert reason in refused(host.url(link), path)
    assert len(host.seen) == requests


def test_silent_server(host, path):
    message = refused(host.url("silent"), path, timeout=0.05, attempts=2)
    assert "timed out after 2 attempts" in message


def test_slow_drip_counts_as_stalled(host, path):
    message = refused(host.url("drip"), path, timeout=0.2, attempts=2)
    assert re.search(r"stalled: \d+ bytes in 0 s after 2 attempts", message)


def test_progress_is_shown(host, path, monkeypatch, capsys):
    monkeypatch.setattr("fsrcnn.download.fetch.tqdm", partial(tqdm, ascii=True, mininterval=0))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    quick(host.url("file"), path)
    assert "100%|" in capsys.readouterr().err


def test_file_that_changed_since_its_first_download(host, path):
    quick(host.url("replaced"), path)
    assert path.read_bytes() == BODY
    path.unlink()
    message = refused(host.url("replaced"), path)
    assert f"not {hashlib.sha256(BODY).hexdigest()}; delete {path}.sha256.json to accept it" in message
    assert left_over(path) == set()
    Path(f"{path}.sha256.json").unlink()
    quick(host.url("replaced"), path)
    assert path.read_bytes() == NEW_BODY
    path.unlink()
    quick(host.url("replaced"), path)


def test_nobody_listens(path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "refused after 3 attempts" in refused(f"http://127.0.0.1:{port}/file", path)


def test_second_link_does_not_repeat_the_reason_of_the_first(host, path):
    try:
        quick(host.url("status?code=404"), path)
    except InputError:
        message = refused(host.url("reset"), path)
    assert "404" not in message


def test_not_a_url(path):
    assert "No scheme" in refused("images.zip", path)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("0", 0),
        ("7", 7),
        ("9999", 60),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 60),
        ("soon", 0.25),
    ],
)
def test_waits_as_long_as_the_server_asks(host, path, monkeypatch, after, expected):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    quick(host.url(f"status?code=429&times=1&after={after}"), path, backoff=0.25)
    assert waits == [expected]


def test_waits_double(host, path, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    quick(host.url("status?code=503&times=8"), path, attempts=9)
    assert waits == pytest.approx([0.001 * 2**n for n in range(8)])


def test_check_sees_the_whole_file(host, path):
    seen = []
    quick(host.url("file"), path, check=lambda part: seen.append(part.read_bytes()))
    assert seen == [BODY]


def test_refused_by_check(host, path):
    def check(part):
        raise InputError("SHA-256 is not the one in params.yaml")

    assert "SHA-256" in refused(host.url("file"), path, check=check)
    assert left_over(path) == set()


def test_fault_in_check_keeps_its_type(host, path):
    def check(part):
        raise OSError("cannot identify image file")  # as Pillow does, with no errno

    with pytest.raises(OSError, match="identify"):
        quick(host.url("file"), path, check=check)
    assert not path.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_disk_full(host, path):
    path.parent.mkdir()
    path.with_name("images.zip.part").symlink_to("/dev/full")
    assert f"no space left in {path.parent}" in refused(host.url("file"), path)
    assert left_over(path) == set()
    assert len(host.seen) == 1


def test_folder_that_cannot_be_made(host, path):
    path.parent.write_bytes(b"a file is in the way")
    assert "cannot write" in refused(host.url("file"), path)


def test_two_processes_share_one_download(host, path):
    program = (
        "import sys; from pathlib import Path; from fsrcnn.download.fetch import fetch;"
        "print('ready', flush=True); fetch(sys.argv[1], Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, host.url("slow"), str(path)]
    with subprocess.Popen(command) as one:
        assert host.half_sent.wait(10)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as two:
            assert two.stdout.readline() == "ready\n"
            host.go_on.set()
    assert (one.returncode, two.returncode) == (0, 0)
    assert path.read_bytes() == BODY
    assert left_over(path) == {path.name}
    assert len(host.seen) == 1
