"""A stage where the extra `pipeline` is not installed: one line that names it."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "pipeline"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if "__main__" in path.read_text())
# Hides what `pip install fsrcnn` alone would not have brought, then runs a script.
BARE = """
import runpy, sys
names = "filelock h5py matplotlib mlflow onnx psutil pydantic requests skimage torch yaml".split()
sys.modules.update(dict.fromkeys(names))
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_one_line_names_the_extra(script):
    done = subprocess.run(
        [sys.executable, "-c", BARE, FOLDER / script],
        env={"PYTHONPATH": f"{FOLDER}:{FOLDER.parent / 'src'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: not installed: filelock, h5py, matplotlib, mlflow")
    assert "pip install '.[pipeline]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_scripts_were_found():
    assert len(SCRIPTS) == 9
