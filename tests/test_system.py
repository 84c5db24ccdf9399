import os
import subprocess
import sys
from pathlib import Path

import pytest
import stage

from fsrcnn import cli, system
from fsrcnn.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
CPUINFO = """\
processor\t: 0
model name\t: AMD EPYC 9B14
flags\t\t: fpu avx2 avx512_bf16

processor\t: 1
model name\t: AMD EPYC 9B14
flags\t\t: fpu avx2 avx512_bf16
"""


@pytest.mark.parametrize("name", ["linux", "darwin"])
def test_linux_and_macos_are_supported(monkeypatch, name):
    monkeypatch.setattr(sys, "platform", name)
    system.check_supported()


def test_another_system_is_one_line_at_the_first_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit, match=r"^error: win32: fsrcnn runs on Linux and macOS; .*WSL 2$"):
        stage.main(lambda: pytest.fail("the stage ran"))
    assert cli.main(["upscale", "photo.png"]) == 1
    assert capsys.readouterr().err == f"fsrcnn: {_message()}\n"


def _message() -> str:
    with pytest.raises(InputError) as caught:
        system.check_supported()
    return str(caught.value)


@pytest.mark.parametrize("module", ["stage", "fsrcnn.cli"])
def test_modules_that_only_unix_has_do_not_come_before_that_line(module):
    code = "import sys; sys.modules |= dict.fromkeys(('fcntl', 'grp', 'pwd', 'resource')); import " + module
    path = os.pathsep.join(str(ROOT / folder) for folder in ("src", "pipeline"))
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True)


def test_what_linux_tells_of_the_processor(monkeypatch, tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    monkeypatch.setattr(system, "CPUINFO", path)
    assert system.processor_name() == "AMD EPYC 9B14"
    assert system.processor_flags() == {"fpu", "avx2", "avx512_bf16"}


def test_a_processor_that_tells_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(system, "CPUINFO", tmp_path / "none")
    assert system.processor_name()
    assert system.processor_flags() == set()


def test_cores_where_processes_are_not_bound_to_any(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert system.usable_cores() == 6
