"""The HDF5 files of one scale, made of what the sources of each set hold.

For training one file a set; for evaluation `<set>_<protocol>.h5`, and of a set that came as pictures also
these, as `pictures/<set>.h5`, from which evaluation makes LR in other ways. The protocols differ in how HR
becomes a multiple of the scale (see `pairs.make_pair`): "reference" resizes it, as the published files
do; "standard" crops it, which needs the pictures themselves.
"""

import logging
import math
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from fsrcnn.data import hdf5
from fsrcnn.data.pairs import Fit, make_pair
from fsrcnn.download import published, samples, srcnn
from fsrcnn.download.duplicates import Duplicates
from fsrcnn.download.fetch import fetch
from fsrcnn.download.folder import read_folder
from fsrcnn.download.sources import MIRROR_VARIABLE, Source, Sources, file_name
from fsrcnn.errors import InputError
from fsrcnn.files import atomic, atomic_folder

log = logging.getLogger(__name__)

PROTOCOLS: dict[str, Fit] = {"reference": "resize", "standard": "crop"}
SMALLEST = 11  # pixels that the window of SSIM needs of what is scored


def prepare(sources: Sources, scale: int, train: Path, evaluation: Path, downloads: Path) -> None:
    """Write the folders `train` and `evaluation`, each whole or not at all, in place of what they held.

    `downloads` keeps partial downloads from one try to the next. Raises `InputError` when a file is
    to be had neither from the mirror nor from its link, or is not what it should be, when a picture is
    too small, and when one is to be both trained and evaluated on.
    """
    duplicates = Duplicates()
    # Experiments that run beside each other share the downloads, and each moves them away.
    downloads.mkdir(parents=True, exist_ok=True)
    with FileLock(downloads / f"x{scale}.lock"):
        train_files = {s.name: _file(s, scale, downloads, whole=False) for s in sources.train}
        evaluation_files = {s.name: _file(s, scale, downloads, whole=True) for s in sources.evaluation}
        with atomic_folder(evaluation) as folder:
            for source in sources.evaluation:
                if source.pictures or source.bundled:
                    _build_evaluation(source, folder, scale, duplicates)
                if file := evaluation_files[source.name]:
                    target = folder / f"{source.name}_reference.h5"
                    _adopt(file, target, scale, source.name, keep=file == source.file)
                    _check_evaluation(target, scale, source.name, duplicates)
            if not any(folder.iterdir()):
                raise InputError("data.evaluation: no set is left to evaluate on; ask for another one")
        with atomic_folder(train) as folder:
            for source in sources.train:
                target = folder / f"{source.name}.h5"
                if file := train_files[source.name]:
                    _adopt(file, target, scale, source.name, keep=file == source.file)
                    _check_training(target, scale, source.name, duplicates)
                else:
                    _build_training(source, target, scale, duplicates)


def _file(source: Source, scale: int, downloads: Path, *, whole: bool) -> Path | None:
    """The set's HDF5 file, downloaded where nothing is at hand; None where there is none.

    With `whole`, only one that holds whole images will do.
    """

    def check(path: Path) -> None:
        if hdf5.describe(path, scale).layout != "images" and whole:
            raise InputError(
                f"{path}: holds patches, where {source.name} needs whole images; see docs/data.md"
            )

    if source.file:
        check(source.file)
    if source.at_hand:
        return source.file
    name = file_name(source.name, scale)
    raw = downloads / name
    if raw.exists():  # left by a run that ended between fetching and adopting
        try:
            check(raw)
        except InputError as error:
            log.warning("%s; it is fetched again", error)
            raw.unlink()
    reasons = []
    for url in source.urls:
        try:
            fetch(url, raw, check=check)
            return raw
        except InputError as error:
            reasons.append(str(error))
            log.info("%s", error)
    if source.optional:
        log.warning("data.evaluation: %s is not at hand and left out", source.name)
        return None
    raise InputError(
        f"{source.name} x{scale}: no file to be had: {'; '.join(reasons)}. Set data.mirror or "
        f"{MIRROR_VARIABLE} to a folder or base URL that has {name} or a folder {source.name}/ of "
        "pictures, or use the bundled photographs: dvc exp run -S data.source=sample"
    )


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


def _pictures(source: Source) -> Iterable[tuple[str, Image.Image]]:
    """The pictures of a set, one at a time: (name, RGB)."""
    return read_folder(source.pictures) if source.pictures else samples.photographs(source.bundled)


def _build_training(source: Source, path: Path, scale: int, duplicates: Duplicates) -> None:
    def pictures() -> Iterator[tuple[str, NDArray[np.uint8]]]:
        progress = tqdm(_pictures(source), unit="picture", desc=f"{source.name} x{scale}", disable=None)
        for name, image in progress:
            pixels = np.asarray(image)
            duplicates.trained(pixels, f"{source.name}/{name}")
            yield name, pixels

    made = "photographs bundled with scikit-image, sides halved to at most 320"
    if source.pictures:
        made = f"pictures of {source.name}"
    count = hdf5.write_pictures(path, pictures(), source=source.name, made=f"{made}, as 8-bit RGB")
    log.info("%s x%d: %d pictures", source.name, scale, count)


def _build_evaluation(source: Source, folder: Path, scale: int, duplicates: Duplicates) -> None:
    # A border of `scale` pixels is not scored in the standard protocol.
    smallest = math.ceil((SMALLEST + 2 * scale) / scale) * scale

    def pictures() -> Iterator[tuple[str, NDArray[np.uint8]]]:
        for name, image in _pictures(source):
            _check_size(image.height, image.width, smallest, scale, f"{source.name}/{name}")
            pixels = np.asarray(image)
            duplicates.evaluated(pixels, f"{source.name}/{name}")
            yield name, pixels

    path = folder / "pictures" / f"{source.name}.h5"
    hdf5.write_pictures(path, pictures(), source=source.name, made=f"pictures of {source.name}, as 8-bit RGB")
    for protocol, fit in PROTOCOLS.items():
        hdf5.write_pairs(
            folder / f"{source.name}_{protocol}.h5",
            (
                hdf5.Pair(*make_pair(Image.fromarray(pixels), scale, fit), name)
                for name, pixels in hdf5.read_pictures(path)
            ),
            scale,
            source=source.name,
            made=f"HR {fit} to a multiple of {scale}, LR by Pillow bicubic",
        )


def _check_evaluation(path: Path, scale: int, name: str, duplicates: Duplicates) -> None:
    for pair in hdf5.read_pairs(path, scale):
        height, width = pair.hr.shape
        _check_size(height, width, SMALLEST, scale, f"image {pair.image} of {name}")
        duplicates.evaluated(pair.hr, f"image {pair.image} of {name}")


def _check_training(path: Path, scale: int, name: str, duplicates: Duplicates) -> None:
    """Compare whole images with those of the evaluation files; patches would not be found in them."""
    layout = hdf5.attributes(path)["layout"]
    if layout == "images":
        for pair in hdf5.read_pairs(path, scale):
            duplicates.trained(pair.hr, f"image {pair.image} of {name}")
    if layout == "pictures":
        for picture, pixels in hdf5.read_pictures(path):
            duplicates.trained(pixels, f"picture {picture} of {name}")


def _check_size(height: int, width: int, smallest: int, scale: int, name: str) -> None:
    if min(height, width) < smallest:
        raise InputError(
            f"{name}: {width}x{height} pixels are too few to be scored at x{scale}, which takes "
            f"{smallest} on each side; remove the picture"
        )
