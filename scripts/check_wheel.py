"""Upscale pictures of every format with what `pip install fsrcnn` brings, offline and without a compiler.

    python scripts/check_wheel.py  # in an environment with that alone

Fails if the environment has more, if the engine does not come with it, or if a picture is not upscaled.
"""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

EXTRAS = ("fastapi", "h5py", "imagecodecs", "mlflow", "onnx", "pydantic", "requests", "torch")
SUFFIXES = (".png", ".jpg", ".webp", ".bmp", ".tif")
OFFLINE = """
import sys

def refuse(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.posix_spawn")):
        raise SystemExit(f"{event} {arguments}")

sys.addaudithook(refuse)
from fsrcnn.cli import main
sys.exit(main(sys.argv[1:]))
"""


def main() -> None:
    """Check, and say what was done."""
    assert not [name for name in EXTRAS if find_spec(name)], "more is installed than the core"
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "in"), Path(folder, "out")
        given.mkdir()
        for suffix in SUFFIXES:
            Image.fromarray(pixels).save(given / f"a{suffix[1:]}{suffix}")
        command = [sys.executable, "-c", OFFLINE, "upscale", str(given), "-o", str(made)]
        environment = {**os.environ, "HOME": folder, "PATH": ""}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        lines = done.stderr.splitlines()
        assert done.returncode == 0 and len(lines) == 1, done.stderr  # the summary, and no word of NumPy
        for path in given.iterdir():
            with Image.open(made / path.name) as image:
                assert image.size == (120, 80), path
        assert {path.name for path in Path(folder).iterdir()} == {"in", "out"}, "something was cached"
    print(lines[0])


if __name__ == "__main__":
    main()
