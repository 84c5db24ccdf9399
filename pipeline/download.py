"""Stage `download`: the HDF5 files of one scale.

python pipeline/download.py --scale 4
"""

from pathlib import Path

import stage

from fsrcnn.data.sets import prepare


def download() -> None:
    """Fetch or build `data/x<scale>/`."""
    scale = stage.read_scale(__doc__)
    params = stage.read_params()
    folder = Path(f"data/x{scale}")
    prepare(params.data, scale, folder / "train.h5", folder / "evaluation", Path("data/downloads"))


if __name__ == "__main__":
    stage.main(download)
