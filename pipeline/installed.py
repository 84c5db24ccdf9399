"""Ends a stage with one line where packages of the extra `pipeline` are missing, before they are imported.

`stage` imports this module first, and each script imports `stage` before them.
"""

import sys
from importlib.util import find_spec

# As they are imported, which for some is not what they are called in pyproject.toml.
NEEDED = (
    "filelock",
    "h5py",
    "matplotlib",
    "mlflow",
    "onnx",
    "psutil",
    "pydantic",
    "requests",
    "skimage",
    "torch",
    "yaml",
)

if missing := [name for name in NEEDED if find_spec(name) is None]:
    sys.exit(
        f"error: not installed: {', '.join(missing)}; the stages need the extra `pipeline`: "
        "run `make install` and `source .venv/bin/activate`, or `pip install '.[pipeline]'`"
    )
