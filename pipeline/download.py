"""Stage `download`: the HDF5 files of one scale.

python pipeline/download.py --scale 4
"""

from pathlib import Path

import stage

from fsrcnn.data.sets import DataSettings, prepare


def download() -> None:
    """Fetch or build `data/x<scale>/`."""
    scale = stage.read_scale(__doc__)
    stage.read_run()
    settings = stage.read_section("data", DataSettings)
    folder = Path(f"data/x{scale}")
    prepare(settings, scale, folder / "train.h5", folder / "evaluation", Path("data/downloads"))


if __name__ == "__main__":
    stage.main(download)
