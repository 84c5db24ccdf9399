import hashlib
import os

import pytest

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
