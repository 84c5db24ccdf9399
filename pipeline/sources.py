"""Stage `sources`: what is found now of the sets that are asked for, so that a change of it is noticed.

python pipeline/sources.py --scale 4
"""

from pathlib import Path

import stage

from fsrcnn.download.digests import FileDigests, fingerprint
from fsrcnn.download.sources import locate
from fsrcnn.files import write_json


def sources() -> None:
    """Write `data/x<scale>/sources.json`."""
    scale = stage.read_scale(__doc__)
    params = stage.read_params()
    root = stage.repository_root()
    found = locate(params.data, scale, root)
    digests = FileDigests(root / "data/downloads/digests.json")
    write_json(Path(f"data/x{scale}/sources.json"), fingerprint(found, digests))
    digests.save()


if __name__ == "__main__":
    stage.main(sources)
