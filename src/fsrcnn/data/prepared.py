"""The training sets that the download stage has written, one HDF5 file each, named after the set."""

from pathlib import Path
from typing import NamedTuple

from fsrcnn.data import hdf5
from fsrcnn.errors import InputError


class TrainingSet(NamedTuple):
    """One training set: its HDF5 file, and how that was made."""

    name: str
    path: Path
    made: str


def training_files(folder: Path) -> list[Path]:
    """The files of the training sets in `data/x<scale>/train`, by name.

    Raises `InputError` when there is none.
    """
    paths = sorted(folder.glob("[!.]*.h5"), key=lambda path: path.stem)
    if not paths:
        raise InputError(f"{folder}: no training files; run the download stage")
    return paths


def training_sets(folder: Path) -> list[TrainingSet]:
    """The training sets in `data/x<scale>/train`, by name.

    Raises `InputError` when there is none, or one is not a file that the stage wrote.
    """
    return [TrainingSet(path.stem, path, hdf5.attributes(path)["made"]) for path in training_files(folder)]


def joined(names: list[str]) -> str:
    """The name of several training sets together, as metrics and weights carry it."""
    return "+".join(names)
