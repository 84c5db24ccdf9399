import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fsrcnn import files
from fsrcnn.errors import InputError
from fsrcnn.files import atomic, sha256, write_json


def test_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "out.txt"
    with atomic(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "whole"
    assert path.stat().st_mode & 0o777 == 0o666 & ~os.umask(os.umask(0o022))


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_and_digest(tmp_path):
    write_json(tmp_path / "a.json", {"psnr": 30.5})
    assert (tmp_path / "a.json").read_text() == '{\n  "psnr": 30.5\n}\n'
    assert sha256(tmp_path / "a.json") == hashlib.sha256(b'{\n  "psnr": 30.5\n}\n').hexdigest()


def test_killed_writer_leaves_the_old_file_and_a_temporary_one_that_tells_what_it_is(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    program = (
        "import sys, time; from pathlib import Path; from fsrcnn.files import atomic\n"
        "with atomic(Path(sys.argv[1])) as temporary, temporary.open('w') as file:\n"
        "    file.write('half'); file.flush(); print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        writer.kill()
    assert path.read_text() == "old"
    (left,) = tmp_path.glob(".*")
    assert re.fullmatch(r"\.out\.tmp-\w+\.txt", left.name)


def test_contents_are_on_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(files, "sync", lambda path: calls.append(path.name))
    real = Path.replace
    monkeypatch.setattr(Path, "replace", lambda *paths: (calls.append("rename"), real(*paths)))
    with atomic(tmp_path / "out.txt"):
        pass
    assert [calls[0].startswith(".out.tmp-"), *calls[1:]] == [True, "rename", tmp_path.name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_full_disk(tmp_path):
    path = tmp_path / "out.txt"
    with pytest.raises(InputError, match="no space left in"), atomic(path) as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        temporary.write_text("more than there is room for")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"out\.txt: cannot be written: "), atomic(tmp_path / "file/out.txt"):
        pass


@pytest.mark.parametrize("name", ["a[1].png", "_" * 251 + ".png"])
def test_leftovers_of_a_path_are_removed_and_no_others(tmp_path, name):
    path, other = tmp_path / name, tmp_path / ".a1.tmp-01234567.png"
    other.touch()
    path.touch()
    with atomic(path) as temporary:
        files.remove_leftovers(path)
        assert not temporary.exists()
        temporary.touch()
    assert sorted(tmp_path.iterdir()) == sorted([other, path])
