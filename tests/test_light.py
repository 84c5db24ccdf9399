"""Upscaling with the released networks imports nothing of the extras, even where they are installed."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fsrcnn.inference import backends

PROGRAM = """
import importlib, pkgutil, sys
from importlib.machinery import ModuleSpec

HEAVY = ("filelock", "fsspec", "h5py", "mlflow", "pydantic", "requests", "torch", "urllib3")

class Refuse:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name in HEAVY else None

    def create_module(self, spec):
        raise SystemExit(f"imports {spec.name}")

    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Refuse())
sys.modules["imagecodecs"] = None  # which tifffile would take, and can do without
"""
IMPORT = """
names = ["fsrcnn.cli", "fsrcnn.network.weights"]
for room in ("fsrcnn.export", "fsrcnn.inference", "fsrcnn.pictures", "fsrcnn.upscaling"):
    found = pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}.")
    names += [module.name for module in found]
names.remove("fsrcnn.inference.subpixel")  # the form in torch's layers
for name in names:
    importlib.import_module(name)
print(len(names))
"""
UPSCALE = """
from fsrcnn.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM + program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_modules():
    done = run(IMPORT)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= 10


def test_pictures(tmp_path):
    if "native" not in backends.available():
        pytest.skip("no C compiler")
    cv2 = pytest.importorskip("cv2")
    folder = tmp_path / "in"
    folder.mkdir()
    rgba = np.random.default_rng(0).integers(0, 256, (9, 7, 4), dtype=np.uint8)
    kinds = {"grey": rgba[..., 0], "grey_alpha": rgba[..., :2], "rgb": rgba[..., :3], "rgba": rgba}
    kinds["grey_16"] = kinds["grey"].astype(np.uint16) * 257
    for name, pixels in kinds.items():
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{name}.png")
    cv2.imwrite(str(folder / "rgb_16.png"), rgba[..., :3].astype(np.uint16) * 257)
    done = run(UPSCALE, "upscale", str(folder), "-o", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    sizes = {}
    for path in (tmp_path / "out").iterdir():
        with Image.open(path) as image:
            sizes[path.stem] = image.size
    assert sizes == dict.fromkeys([*kinds, "rgb_16"], (28, 36))


def test_torch_is_imported_where_it_is_asked_for(tmp_path):
    Image.new("L", (5, 4), 90).save(tmp_path / "a.png")
    done = run(UPSCALE, "upscale", str(tmp_path / "a.png"), "--backend", "eager")
    assert done.stderr == "imports torch\n"
