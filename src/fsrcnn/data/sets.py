"""Where the data comes from: a mirror first, then the published links; or the bundled photographs.

Writes, for one scale, `train.h5` and a folder of evaluation files `<set>_<protocol>.h5`. The
protocols differ in how HR becomes a multiple of the scale (see `images.make_pair`): "reference"
resizes it, as the published files do; "standard" crops it, which needs the pictures themselves.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from fsrcnn.data import hdf5, published, samples, srcnn
from fsrcnn.data.download import fetch
from fsrcnn.data.folder import read_folder
from fsrcnn.data.pairs import Fit, augment, make_pair
from fsrcnn.errors import InputError
from fsrcnn.files import atomic
from fsrcnn.settings import DataSettings

log = logging.getLogger(__name__)

MIRROR_VARIABLE = "FSRCNN_MIRROR"
TRAIN_SET = "91-image"
EVALUATION_SETS = ("Set5", "Set14")  # the first is required, the others are taken where a mirror has them
SAMPLE_SET = "sample"
PROTOCOLS: dict[str, Fit] = {"reference": "resize", "standard": "crop"}

HOST = "https://www.dropbox.com/s"
# Per link set, data set and scale. "fsrcnn" holds the layout this network needs; "srcnn" are the
# links in wider circulation, whose files have the older network's layout and are rebuilt on arrival.
LINKS: dict[str, dict[str, dict[int, str]]] = {
    "fsrcnn": {
        "91-image": {2: "01z95js39kgw1qv", 3: "qx4swlt2j7u4twr", 4: "vobvi2nlymtvezb"},
        "Set5": {2: "4kzqmtqzzo29l1x", 3: "kyhbhyc5a0qcgnp", 4: "ihtv1acd48cof14"},
    },
    "srcnn": {
        "91-image": {2: "2hsah93sxgegsry", 3: "curldmdf11iqakd", 4: "22afykv4amfxeio"},
        "Set5": {2: "r8qs6tp395hgh8g", 3: "58ywjac4te3kbqq", 4: "0rz86yn3nnrodlb"},
    },
}


def prepare(settings: DataSettings, scale: int, train: Path, evaluation: Path, downloads: Path) -> None:
    """Write the training file `train` and the evaluation files into the folder `evaluation`.

    `downloads` keeps partial downloads from one try to the next. Raises `InputError` when a file is
    to be had neither from the mirror nor from its link, or is not what it should be.
    """
    if settings.source == "sample":
        made = "photographs bundled with scikit-image, sides halved to at most 320"
        _build_training(samples.photographs(samples.TRAIN), train, scale, SAMPLE_SET, made)
        _build_evaluation(samples.photographs(samples.EVALUATION), evaluation, SAMPLE_SET, scale)
        return
    mirror = os.environ.get(MIRROR_VARIABLE) or settings.mirror
    is_url = mirror.startswith(("http://", "https://"))
    if mirror and not is_url and not Path(mirror).is_dir():
        raise InputError(
            f"data.mirror or {MIRROR_VARIABLE}: {mirror} is not a folder; name a folder or a base URL"
        )
    folder = Path(mirror) if mirror and not is_url else None
    pictures = _picture_folder(folder, TRAIN_SET)
    file = _find_file(settings, mirror, folder, TRAIN_SET, scale, downloads, required=pictures is None)
    if file is not None:
        _adopt(file, train, scale, TRAIN_SET, keep=file.parent == folder)
    elif pictures is not None:
        _build_training(read_folder(pictures), train, scale, TRAIN_SET, f"pictures of {TRAIN_SET}")
    for name in EVALUATION_SETS:
        pictures = _picture_folder(folder, name)
        required = pictures is None and name == EVALUATION_SETS[0]
        file = _find_file(settings, mirror, folder, name, scale, downloads, required=required)
        if pictures is not None:
            _build_evaluation(read_folder(pictures), evaluation, name, scale)
        if file is not None:
            _adopt(file, evaluation / f"{name}_reference.h5", scale, name, keep=file.parent == folder)


def _picture_folder(mirror: Path | None, name: str) -> Path | None:
    return mirror / name if mirror is not None and (mirror / name).is_dir() else None


def _find_file(
    settings: DataSettings,
    mirror: str,
    folder: Path | None,
    name: str,
    scale: int,
    downloads: Path,
    *,
    required: bool,
) -> Path | None:
    """The set's HDF5 file from the mirror or, where it is `required`, from its published link."""
    file_name = f"{name}_x{scale}.h5"

    def check(path: Path) -> None:
        if hdf5.describe(path, scale).layout != "images" and name in EVALUATION_SETS:
            raise InputError(f"{path}: holds patches, where {name} needs whole images; see docs/data.md")

    if folder is not None and (folder / file_name).is_file():
        check(folder / file_name)
        return folder / file_name
    urls = [] if folder is not None or not mirror else [f"{mirror.rstrip('/')}/{file_name}"]
    if required:
        urls.append(f"{HOST}/{LINKS[settings.links][name][scale]}/{file_name}?dl=1")
    raw = downloads / file_name
    if raw.exists():  # left by a run that ended between fetching and adopting
        try:
            check(raw)
        except InputError as error:
            log.warning("%s; it is fetched again", error)
            raw.unlink()
    reasons = []
    for url in urls:
        try:
            fetch(url, raw, check=check)
            return raw
        except InputError as error:
            reasons.append(str(error))
            log.info("%s", error)
    if required:
        raise InputError(
            f"{name} x{scale}: no file to be had: {'; '.join(reasons)}. Set data.mirror or {MIRROR_VARIABLE} "
            f"to a folder or base URL that has {file_name} or a folder {name}/ of pictures, or use "
            "the bundled photographs: dvc exp run -S data.source=sample"
        )
    return None


def _adopt(file: Path, target: Path, scale: int, source: str, *, keep: bool) -> None:
    """Take over an HDF5 file from outside: whole pictures, if it can be, in the FSRCNN layout.

    Without `keep`, `file` is gone afterwards: the disk need not hold gigabytes twice.
    """
    found = hdf5.describe(file, scale)
    if found.srcnn:
        srcnn.rebuild(file, target, scale, source=source)
        if not keep:
            file.unlink()
        return
    if found.layout == "patches" and published.rebuild(file, target, scale, source=source):
        if not keep:
            file.unlink()
        return
    with atomic(target) as temporary:
        if keep:
            shutil.copyfile(file, temporary)
        else:
            shutil.move(file, temporary)
        hdf5.annotate(temporary, scale, source=source, made="as published")


def _build_training(
    images: list[tuple[str, Image.Image]], path: Path, scale: int, source: str, made: str
) -> None:
    def pairs() -> Iterator[hdf5.Pair]:
        for name, image in tqdm(images, unit="image", desc=f"{source} x{scale}", disable=None):
            for variant, changed in augment(image):
                yield _pair(changed, scale, "resize", name, variant)

    count = hdf5.write_pairs(
        path,
        pairs(),
        scale,
        source=source,
        made=f"{made}, 20-fold augmented, HR resized to a multiple of {scale}, LR by Pillow bicubic",
    )
    log.info("%s x%d: %d image pairs from %d pictures", source, scale, count, len(images))


def _build_evaluation(images: list[tuple[str, Image.Image]], folder: Path, name: str, scale: int) -> None:
    for protocol, fit in PROTOCOLS.items():
        pairs = (_pair(image, scale, fit, stem) for stem, image in images)
        hdf5.write_pairs(
            folder / f"{name}_{protocol}.h5",
            pairs,
            scale,
            source=name,
            made=f"HR {fit} to a multiple of {scale}, LR by Pillow bicubic",
        )


def _pair(image: Image.Image, scale: int, fit: Fit, name: str, variant: str = "") -> hdf5.Pair:
    try:
        return hdf5.Pair(*make_pair(image, scale, fit), name, variant)
    except InputError as error:
        raise InputError(f"picture {' '.join([name, variant]).rstrip()}: {error}") from None
