"""Folders, lists and interruptions: every file has its own fate."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fsrcnn.cli import main
from fsrcnn.pictures.reading import read
from fsrcnn.upscaling import one_file
from tests.signals import heeded

NAMES_ON_THE_COMMAND_LINE = ("a.png", "b.jpg", "c.jfif")


def draw(path, width=12, height=9):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def upscale(*arguments):
    return main(["upscale", *map(str, arguments)])


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_list_goes_beside_its_files(tmp_path, capsys):
    files = [draw(tmp_path / name) for name in NAMES_ON_THE_COMMAND_LINE]
    before = [path.read_bytes() for path in files]
    assert upscale(*files) == 0
    assert [path.read_bytes() for path in files] == before
    assert names(tmp_path) == ["a.png", "a_x4.png", "b.jpg", "b_x4.jpg", "c.jfif", "c_x4.jfif"]
    assert "3 of 3 files" in (summary := capsys.readouterr().err)
    assert "megapixels a second" in summary


def test_a_list_of_files_and_folders_goes_into_a_folder(tmp_path):
    file, folder = draw(tmp_path / "a.png"), draw(tmp_path / "in" / "deep" / "b.png").parents[1]
    assert upscale(file, folder, "-o", tmp_path / "out") == 0
    assert names(tmp_path / "out") == ["a.png", "in/deep/b.png"]


def test_two_files_of_one_name_are_refused(tmp_path, capsys):
    files = [draw(tmp_path / folder / "a.png") for folder in ("one", "two")]
    assert upscale(*files, "-o", tmp_path / "out") == 1
    assert "both would be written to" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_no_picture_is_named(tmp_path, capsys):
    draw(tmp_path / "in" / "a.png")
    others = ("b.HEIC", "c.avif", "d.gif", "e.mp4", "notes.txt", "without")
    for name in others:
        (tmp_path / "in" / name).write_bytes(b"something")
    assert upscale(tmp_path / "in") == 0
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"passed over, as no pictures: 6 ({', '.join(others)})"
    (tmp_path / "in" / "a.png").unlink()
    assert upscale(tmp_path / "in", "-o", tmp_path / "out") == 1
    assert "no pictures in this folder" in (line := capsys.readouterr().err)
    assert "b.HEIC" in line
    # On the command line it was meant.
    assert upscale(draw(tmp_path / "z.png"), tmp_path / "in" / "b.HEIC") == 1
    assert "b.HEIC: no picture or clip by its suffix" in capsys.readouterr().err
    assert (tmp_path / "z_x4.png").exists()


def test_hidden_files_are_skipped(tmp_path, capsys):
    for name in ("a.png", "._a.png", ".thumbnails/b.png", ".DS_Store.png"):
        draw(tmp_path / "in" / name)
    assert upscale(tmp_path / "in") == 0
    assert names(tmp_path / "in_x4") == ["a.png"]
    assert "passed over" not in capsys.readouterr().err


def test_skip_existing_goes_on(tmp_path, capsys):
    for name in ("a.png", "b.png", "c.png"):
        draw(tmp_path / "in" / name)
    draw(tmp_path / "in_x4" / "b.png")
    kept = (tmp_path / "in_x4" / "b.png").read_bytes()
    assert upscale(tmp_path / "in") == 1
    assert "or go on with --skip-existing" in capsys.readouterr().err
    assert upscale(tmp_path / "in", "--skip-existing") == 0
    assert "2 of 2 files" in (summary := capsys.readouterr().err)
    assert "1 skipped that exist" in summary
    assert (tmp_path / "in_x4" / "b.png").read_bytes() == kept
    assert upscale(tmp_path / "in", "--skip-existing") == 0
    assert "0 of 0 files" in (summary := capsys.readouterr().err)
    assert "3 skipped that exist" in summary


@pytest.mark.parametrize(
    "error", [RuntimeError("odd"), MemoryError(), KeyError("x"), OSError(5, "I/O error")]
)
def test_every_exception_of_one_file_stays_with_it(tmp_path, capsys, monkeypatch, error):
    for name in ("a.png", "b.png", "c.png"):
        draw(tmp_path / "in" / name)
    real = one_file.read

    def fails_once(path, limit):
        if path.name == "b.png":
            raise error
        return real(path, limit)

    monkeypatch.setattr(one_file, "read", fails_once)
    assert upscale(tmp_path / "in") == 1
    assert names(tmp_path / "in_x4") == ["a.png", "c.png"]
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fsrcnn: ")]
    assert len(lines) == 1
    assert f"b.png: not upscaled ({type(error).__name__}" in lines[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read(tmp_path, capsys):
    draw(tmp_path / "in" / "a.png")
    draw(tmp_path / "in" / "shut" / "b.png")
    (tmp_path / "in" / "shut").chmod(0)
    assert upscale(tmp_path / "in") == 1
    (tmp_path / "in" / "shut").chmod(0o700)
    assert names(tmp_path / "in_x4") == ["a.png"]
    assert "shut: Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("letter", ["a", "ü", "☃"])
def test_names_of_255_bytes(tmp_path, capsys, letter):
    count = (255 - 4) // len(letter.encode())
    name = letter * count + "x" * (251 - count * len(letter.encode())) + ".png"
    assert len(os.fsencode(name)) == 255
    draw(tmp_path / "in" / name)
    draw(tmp_path / "in" / "short.png")
    assert upscale(tmp_path / "in") == 0
    assert names(tmp_path / "in_x4") == sorted([name, "short.png"])
    # One that would be longer is known before the work, and costs the others nothing.
    assert upscale(tmp_path / "in" / name, tmp_path / "in" / "short.png") == 1
    assert "File name too long; choose another with -o" in capsys.readouterr().err
    assert (tmp_path / "in" / "short_x4.png").exists()


def test_a_damaged_profile_does_not_cost_the_folder(tmp_path, capsys):
    for name in ("a.png", "b.png"):
        draw(tmp_path / "in" / name)
    Image.open(tmp_path / "in" / "a.png").save(tmp_path / "in" / "b.png", icc_profile=b"no profile")
    assert upscale(tmp_path / "in") == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fsrcnn: ")]
    assert "b.png: damaged colour profile left out" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_no_temporary_files(tmp_path, number):
    for name in "abcdefgh":
        draw(tmp_path / "in" / f"{name}.png", 400, 300)
    # A slow disk: the signal comes while a file is open. It sleeps in short parts, since a signal that comes
    # just before Python's sleep begins is heard only after it.
    code = (
        "import sys, time\nfrom fsrcnn import files\nfrom fsrcnn.cli import main\n"
        "files.sync = lambda path: (print(flush=True), [time.sleep(0.01) for _ in range(6000)])\n"
        "sys.exit(main(['upscale', sys.argv[1]]))"
    )
    command = [sys.executable, "-c", code, tmp_path / "in"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=heeded)
    process.stdout.readline()
    assert len(names(tmp_path / "in_x4")) == 1
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    process.stdout.close()
    assert names(tmp_path / "in_x4") == []


def test_a_hangup_that_is_ignored_stays_so(tmp_path):
    draw(tmp_path / "a.png", 400, 300)
    code = (
        "import os, signal, sys\nfrom fsrcnn import files\nfrom fsrcnn.cli import main\n"
        "files.sync = lambda path: os.kill(os.getpid(), signal.SIGHUP)\n"
        "sys.exit(main(['upscale', sys.argv[1]]))"
    )
    done = subprocess.run(["nohup", sys.executable, "-c", code, tmp_path / "a.png"], capture_output=True)
    assert done.returncode == 0
    assert read(tmp_path / "a_x4.png").pixels.shape == (1200, 1600, 3)
