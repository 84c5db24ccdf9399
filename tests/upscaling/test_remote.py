"""`fsrcnn upscale` with URLs: as on this machine's file systems."""

import os
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest
from PIL import Image

from fsrcnn.cli import main
from fsrcnn.upscaling.cluster import Worker
from fsrcnn.upscaling.one_file import Settings
from fsrcnn.upscaling.planning import Encoding, Job
from fsrcnn.upscaling.remote import path_of
from fsrcnn.upscaling.tasks import Task
from tests.mlflow_server import free_port

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed; pip install 'fsrcnn[remote]'")

PICTURES = ("a.png", "deep/b.jpg", "deep/c.tif", "warned.png")
OTHERS = ("bad.png", "clip.mp4", "notes.txt", ".hidden.png")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(autouse=True)
def copies(tmp_path, monkeypatch):
    """Where the copies lie."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    from fsrcnn.upscaling import remote

    remote._copies.cache_clear()
    yield folder
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    remote._copies.cache_clear()


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 256, (9, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(
            folder / name, icc_profile=b"no profile" if name == "warned.png" else None
        )
    for name in OTHERS:
        (folder / name).write_bytes(b"something")
    return folder


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def s3(monkeypatch):
    """A bucket of a server on this machine."""
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    pytest.importorskip("moto.server", reason="no moto; pip install 'moto[s3]' flask flask-cors")
    port = free_port()
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while True:
                assert server.poll() is None
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            s3fs.S3FileSystem.clear_instance_cache()
            system = s3fs.S3FileSystem()
            system.mkdir("bucket")
            yield system
        finally:
            server.terminate()
            s3fs.S3FileSystem.clear_instance_cache()


def upscale(*arguments):
    return main(["upscale", *map(str, arguments)])


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def below(system, root):
    return {name.split("/out/")[1]: system.cat_file(name) for name in system.find(root)}


@pytest.mark.parametrize("store", ["memory", "s3"])
def test_as_on_this_machine(store, request, pictures, tmp_path, capsys):
    system, here = request.getfixturevalue(store), f"{store}://bucket"
    system.put(str(pictures), f"{here}/in", recursive=True)
    assert upscale(pictures, "-o", tmp_path / "out") == 1
    expected = contents(tmp_path / "out")
    assert expected.keys() == set(PICTURES)
    said = capsys.readouterr().err.replace(str(pictures), f"{here}/in")
    assert upscale(f"{here}/in", "-o", f"{here}/out") == 1
    assert below(system, f"{here}/out") == expected
    lines = [line for line in capsys.readouterr().err.splitlines() if "files" not in line]
    assert {line for line in said.splitlines() if "files" not in line} == set(lines)
    assert "passed over, as no pictures: 2 (clip.mp4, notes.txt)" in lines
    assert any("warned.png" in line for line in lines)

    # A rerun does what is missing, and no more.
    assert upscale(f"{here}/in", "-o", f"{here}/out") == 1
    assert f"{here}/out/a.png (and 3 more): exists" in capsys.readouterr().err
    system.rm(f"{here}/out/deep/b.jpg")
    system.pipe(f"{here}/out/a.png", b"left alone")
    assert upscale(f"{here}/in", "-o", f"{here}/out", "--skip-existing") == 1
    assert "1 of 2 files" in (said := capsys.readouterr().err)
    assert "3 skipped that exist" in said
    assert below(system, f"{here}/out") == {**expected, "a.png": b"left alone"}


def test_between_here_and_there(memory, pictures, tmp_path):
    assert upscale((pictures / "a.png").as_uri(), "-o", (tmp_path / "a.png").as_uri()) == 0
    expected = (tmp_path / "a.png").read_bytes()
    assert upscale(pictures / "a.png", "-o", "memory://bucket/large.png") == 0
    assert memory.cat("/bucket/large.png") == expected
    memory.put(str(pictures / "deep"), "/bucket/in", recursive=True)
    assert upscale("memory://bucket/in", "-o", tmp_path / "back") == 0
    assert contents(tmp_path / "back").keys() == {"b.jpg", "c.tif"}
    assert upscale(pictures / "deep", "-o", "memory://bucket/deep") == 0
    assert memory.cat("/bucket/deep/b.jpg") == (tmp_path / "back" / "b.jpg").read_bytes()


def test_a_clip(memory, pictures, tmp_path, monkeypatch, capsys):
    pytest.importorskip("av", reason="PyAV is not installed; pip install 'fsrcnn[video]'")
    from tests.upscaling.clips import making

    clip = making.write(tmp_path / "film.avi", making.pictures(9), "mpeg4")
    memory.put(str(clip), "/bucket/film.avi")
    assert upscale(clip, "-o", tmp_path / "film.mp4") == 0
    expected = (tmp_path / "film.mp4").read_bytes()
    assert upscale("memory://bucket/film.avi", "-o", "memory://bucket/out") == 0
    assert "9 frames in" in capsys.readouterr().err
    assert memory.cat("/bucket/out/film.mp4") == expected
    assert upscale(clip, "-o", "memory://bucket/large.mkv") == 0
    assert upscale("memory://bucket/large.mkv", "-o", tmp_path / "back", "--scale", "2") == 0
    assert (tmp_path / "back" / "large.mkv").exists()

    # One task, for a worker of a cluster.
    job = Job(path_of("memory://bucket/film.avi"), path_of("memory://bucket/again.mp4"))
    monkeypatch.setenv("PYTHON_CPU_COUNT", "")  # which the worker sets
    worker = Worker(Settings(4, None, "auto", "auto", 25, Encoding(), resume=False, verbose=False))
    assert worker(Task(job)).pixels == 0
    assert memory.cat("/bucket/again.mp4") == expected

    memory.pipe("/bucket/bad.mp4", b"no clip")
    assert upscale("memory://bucket/bad.mp4", "-o", "memory://bucket/none") == 1
    assert "fsrcnn: memory://bucket/bad.mp4: not upscaled (Invalid data" in capsys.readouterr().err
    assert not memory.exists("/bucket/none")
    assert upscale("memory://bucket", "-o", "memory://elsewhere") == 1
    clips = "fsrcnn: memory://bucket: no pictures there; passed over, as no pictures: 5 (again.mp4, bad.mp4, "
    assert clips in capsys.readouterr().err
    assert upscale("memory://bucket/film.avi", "-o", "memory://bucket/none", "--resume") == 1
    assert "film.avi: --resume needs IN and OUT on file systems" in capsys.readouterr().err


def test_what_can_t_be_put_is_reported_and_the_rest_goes_on(memory, pictures, monkeypatch, capsys):
    put = memory.put_file

    def fails(source, target, **options):
        if target.endswith("b.jpg"):
            raise PermissionError("denied")
        put(source, target, **options)

    monkeypatch.setattr(type(memory), "put_file", staticmethod(fails))
    assert upscale(pictures / "deep", "-o", "memory://bucket/out") == 1
    assert "fsrcnn: memory://bucket/out/b.jpg: can't be written (denied)\n" in capsys.readouterr().err
    assert memory.find("/bucket") == ["/bucket/out/c.tif"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["memory://nothing", "-o", "memory://out"], "memory://nothing: no pictures there"),
        (["memory://in"], "with a URL, name one IN and an OUT with -o"),
        (["none://in", "-o", "out"], "none://in: Protocol not known: none; run pip install 'fsrcnn[remote]'"),
        (["s3://in", "-o", "out"], "s3://in: "),
    ],
)
def test_one_line(memory, arguments, line, monkeypatch, capsys):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert upscale(*arguments) == 1
    assert capsys.readouterr().err.startswith(f"fsrcnn: {line}")


def test_without_fsspec(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert upscale("memory://in", "-o", "memory://out") == 1
    assert "pip install 'fsrcnn[remote]'" in capsys.readouterr().err
    assert not os.path.exists("memory:")  # noqa: PTH110
