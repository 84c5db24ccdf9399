"""Stage `download`: the HDF5 files of one scale.

python pipeline/download.py --scale 4
"""

from pathlib import Path

import stage

from fsrcnn.download.sets import prepare
from fsrcnn.download.sources import locate


def download() -> None:
    """Fetch or build the folders `train` and `evaluation` of `data/x<scale>/`."""
    scale = stage.read_scale(__doc__)
    params = stage.read_params()
    root, folder = stage.repository_root(), Path(f"data/x{scale}")
    sources = locate(params.data, scale, root)
    prepare(sources, scale, folder / "train", folder / "evaluation", root / "data/downloads")


if __name__ == "__main__":
    stage.main(download)
