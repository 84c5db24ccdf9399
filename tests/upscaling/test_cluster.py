"""`fsrcnn upscale --ray`: as on one machine, whoever dies."""

import shutil
import signal
import subprocess
import sys
import time

import pytest
import ray_cluster
from PIL import Image

from fsrcnn.cli import main
from fsrcnn.download.samples import photographs

COMMAND = "import sys; from fsrcnn.cli import main; sys.exit(main(sys.argv[1:]))"
# The command, whose workers do something odd before each task; in their processes cluster.Worker is itself.
ODD = """
import os, sys, time
from pathlib import Path
from fsrcnn import files
from fsrcnn.cli import main
from fsrcnn.upscaling import cluster

class Odd:
    def __init__(self, settings):
        self.settings = settings
        self.worker = None

    def __call__(self, task):
        self.worker = self.worker or cluster.Worker(self.settings)
        self.worker.upscaler_of  # which may compile, and write that
        before(task)
        return self.worker(task)

{before}

cluster.Worker = Odd
sys.exit(main(sys.argv[1:]))
"""
# Dies once while it writes "once.png" and a segment of "clip.mp4", and whenever it writes "always.png".
DYING = """
died = Path(sys.argv.pop())
ONCE = {"once.png": None, "clip.mp4": 1}

def before(task):
    name = task.job.source.name
    once = name in ONCE and task.segment == ONCE[name] and not (died / name).exists()
    if once:
        (died / name).touch()
    if once or name == "always.png":
        files.sync = lambda path: os.kill(os.getpid(), 9)
    if name == "changed.mp4" and task.segment == 1:
        task.job.source.touch()
"""
SLOW_DISK = """
def before(task):
    files.sync = lambda path: time.sleep(60)
"""


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (_, image), *_ = photographs(("chelsea.png",), 640)
    for number in range(9):
        image.crop((number, number, number + 160, number + 120)).save(folder / f"{number}.jpg", quality=90)
    (folder / "bad.png").write_bytes(b"no picture")
    image.crop((0, 0, 80, 60)).save(folder / "once.png")
    image.convert("LA").resize((80, 60)).save(folder / "grey.png")
    Image.open(folder / "once.png").save(folder / "warned.png", icc_profile=b"no profile")
    return folder


@pytest.fixture
def clip(tmp_path):
    """Of three segments, with sound."""
    pytest.importorskip("av", reason="PyAV is not installed; pip install 'fsrcnn[video]'")
    from tests.upscaling.clips.making import pictures, with_sound, write

    silent = write(tmp_path / "silent.mp4", pictures(60, 24, 32) * 10)
    return with_sound(tmp_path / "clip.mp4", silent, ("aac", 44100, "stereo", "eng"))


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray", reason="Ray is not installed; pip install 'fsrcnn[ray]'")
    if not ray_cluster.possible():
        pytest.skip("no network namespaces here, and Ray listens on all interfaces")
    with ray_cluster.running(nodes=2) as running:
        yield running


def test_outputs_messages_and_status_are_those_of_one_machine(cluster, pictures, clip, tmp_path, capsys):
    one, many, died = (tmp_path / name for name in ("one", "many", "died"))
    for folder in (one, many, died):
        folder.mkdir()
    assert main(["upscale", *map(str, (pictures, clip, "-o", one, "--resume"))]) == 1
    expected = capsys.readouterr().err.splitlines()
    (pictures / "always.png").write_bytes((pictures / "once.png").read_bytes())
    changed = clip.with_name("changed.mp4")
    changed.write_bytes(clip.read_bytes())
    options = ("upscale", pictures, clip, changed, "-o", many, "--ray", cluster.address)
    done = cluster.run(sys.executable, "-c", ODD.format(before=DYING), *options, died)
    assert done.returncode == 1
    (segments,) = many.glob(".*")  # what there is of the clip that was not finished
    assert segments.name == ".changed.mp4.fsrcnn"
    shutil.rmtree(segments)
    assert contents(many) == contents(one)
    lines = done.stderr.splitlines()
    said = [line for line in lines if line.startswith("fsrcnn: ")]
    deaths = [line for line in said if line.endswith("its worker died; it is given to another")]
    assert len([line for line in deaths if "once.png" in line]) == 1
    assert len([line for line in deaths if "always.png" in line]) == 3
    assert len([line for line in deaths if "clip.mp4, segment 1: " in line]) == 1
    assert len(deaths) == 5
    (given_up,) = [line for line in said if "always.png: not upscaled (its worker died 4 times" in line]
    (failed,) = [line for line in said if "changed.mp4: was changed while it was upscaled" in line]
    others = set(said) - {*deaths, given_up, failed}
    assert others == {line for line in expected if line.startswith("fsrcnn: ")}
    assert len([line for line in lines if line.startswith("600 frames in ")]) == 1
    assert "13 of 16 files" in lines[-1]
    # A rerun goes on: what is there is left alone.
    done = cluster.run(sys.executable, "-c", COMMAND, *options, "--skip-existing")
    assert "2 of 3 files" in done.stderr
    assert "13 skipped that exist" in done.stderr
    assert (many / "changed.mp4").read_bytes() == (many / "clip.mp4").read_bytes()


def test_sigterm_leaves_no_temporary_files(cluster, pictures, tmp_path):
    out, slow = tmp_path / "out", ODD.format(before=SLOW_DISK)
    options = ("upscale", pictures, "-o", out, "--ray", cluster.address)
    command = cluster.command(sys.executable, "-c", slow, *options)
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while not (out.exists() and list(out.iterdir())):
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert list(out.iterdir()) == []


def test_what_no_worker_can_do_ends_the_run(cluster, pictures, tmp_path):
    options = ("upscale", pictures, "-o", tmp_path / "out", "--backend", "none", "--ray", cluster.address)
    done = cluster.run(sys.executable, "-c", COMMAND, *options)
    assert done.returncode == 1
    assert "workers can't start" in done.stderr
    assert "no backend 'none'" in done.stderr


def test_no_cluster(cluster, pictures):
    done = cluster.run(sys.executable, "-c", COMMAND, "upscale", pictures, "--ray", "127.0.0.1:1")
    assert done.returncode == 1
    assert "fsrcnn: --ray 127.0.0.1:1: no cluster" in done.stderr


def test_without_ray(pictures, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["upscale", str(pictures), "--ray"]) == 1
    assert capsys.readouterr().err == "fsrcnn: --ray needs Ray; run pip install 'fsrcnn[ray]'\n"
    assert not pictures.with_name("in_x4").exists()
