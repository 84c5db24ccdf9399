"""The recipe of docs/everywhere.md that needs nothing of this package."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from fsrcnn import upscale
from fsrcnn.cli import main
from fsrcnn.download.samples import photographs

DOCS = Path(__file__).resolve().parents[2] / "docs/everywhere.md"


def test_python_without_this_package(tmp_path):
    (code,) = re.findall(r"```python\n(import numpy.*?)```", DOCS.read_text(), re.DOTALL)
    ((_, photograph),) = photographs(("chelsea.png",))
    image = photograph.crop((60, 40, 160, 120))
    image.save(tmp_path / "photo.png")
    assert main(["export", "x4", "--to", "onnx", "-o", str(tmp_path / "fsrcnn_x4.onnx")]) == 0
    code += "import sys\nassert not {'fsrcnn', 'torch'} & set(sys.modules)\n"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    with Image.open(tmp_path / "photo_x4.png") as large:
        error = np.asarray(large, float) - np.asarray(upscale(image, 4), float)
    assert np.abs(error).mean() < 0.5
