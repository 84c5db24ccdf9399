"""The reader against files that are damaged or made to do harm, in a process whose crash is a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data import hdf5_damage


def outcomes(paths: list[Path]) -> dict[str, str]:
    """What reading each file came to; fails when a file ended or hung the process that read them."""
    command = [sys.executable, hdf5_damage.__file__, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = dict(line.partition("\t")[::2] for line in done.stdout.splitlines())
    last = next(reversed(found), "nothing")
    assert done.returncode == 0, f"ended by {done.returncode} at {last}: {done.stderr[-1000:]}"
    assert done.stderr == ""  # no warnings either
    assert list(found) == [path.name for path in paths]
    return found


def test_whole_files_are_read(tmp_path):
    for layout in ("images", "patches", "pictures"):
        hdf5_damage.good(tmp_path / f"{layout}.h5", layout)
        hdf5_damage.good(tmp_path / f"{layout}-gzip.h5", layout, compression="gzip")
    assert set(outcomes(sorted(tmp_path.iterdir())).values()) == {"read"}


def test_crafted_files_are_refused(tmp_path):
    outside = tmp_path / "outside"
    os.mkfifo(outside)  # opening it would wait for a writer for ever
    folder = tmp_path / "files"
    folder.mkdir()
    hdf5_damage.crafted(folder, outside)
    paths = sorted(folder.iterdir())
    assert len(paths) > 235
    for name, outcome in outcomes(paths).items():
        assert outcome.startswith(f"{folder / name}: "), outcome


@pytest.mark.parametrize("storage", [{}, {"compression": "gzip"}], ids=["plain", "gzip"])
@pytest.mark.parametrize("layout", ["images", "patches", "pictures"])
def test_damaged_files_are_refused_or_read(tmp_path, layout, storage):
    whole = tmp_path / "whole"
    hdf5_damage.good(whole, layout, **storage)
    data = whole.read_bytes()
    folder = tmp_path / "files"
    folder.mkdir()
    for damage in (hdf5_damage.truncated, hdf5_damage.lost, hdf5_damage.flipped):
        for i, content in enumerate(damage(data, 200)):
            (folder / f"{damage.__name__}-{i}.h5").write_bytes(content)
    found = outcomes(sorted(folder.iterdir()))
    for name, outcome in found.items():
        refused = outcome.startswith(f"{folder / name}: ")
        assert refused or (outcome == "read" and not name.startswith("truncated")), outcome
    assert sum(outcome != "read" for outcome in found.values()) > 240
