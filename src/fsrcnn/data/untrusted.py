"""HDF5 files from outside, opened so that none of them can do harm.

HDF5 can point at other files, at itself in a circle, and at data that is not there, so only plain
datasets whose contents the file itself holds are read. Of attributes, those of variable length are
not: their texts lie in a heap, and the HDF5 library can loop for ever in one that is damaged.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import h5py

from fsrcnn.errors import InputError

MOST_COMPRESSED = 100  # times that a dataset may be larger than its compressed form


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What h5py raises within, on damage to the file `path`, becomes an `InputError`."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise bad(path, f"not a readable HDF5 file ({reason})") from None


def open_file(path: Path, mode: Literal["r", "r+"] = "r") -> h5py.File:
    """An existing file; raises `InputError` where there is none."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; run the download stage")
    return h5py.File(path, mode)


def member(path: Path, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """What `name` is in a group; refused where it, or its data, may lie outside the file."""
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise bad(path, f"{name} is a link to elsewhere, where the data itself is expected")
    found = group[name]
    if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
        raise bad(path, f"{found.name} takes its data from other files")
    return found


def check_storage(path: Path, datasets: list[h5py.Dataset]) -> None:
    """Refuse datasets that declare more than the file holds: reading would fill the memory."""
    held = 0
    for data in datasets:
        stored = data.id.get_storage_size()
        # A compressed chunk is unpacked whole, even where it reaches beyond its dataset.
        declared = max(data.size, math.prod(data.chunks or ())) * data.dtype.itemsize
        compressed = data.id.get_create_plist().get_nfilters() > 0
        if declared > stored * (MOST_COMPRESSED if compressed else 1):
            raise bad(path, f"{data.name} {data.shape} declares {declared} bytes and holds {stored}")
        held += stored
    if held > path.stat().st_size:
        raise bad(path, f"its datasets together declare {held} bytes, more than the file has")


def text(path: Path, holder: h5py.File | h5py.Dataset, name: str, default: str) -> str:
    """A text attribute of one line and of fixed length; another is refused unread."""
    if name not in holder.attrs:
        return default
    stored = holder.attrs.get_id(name)
    is_text = stored.dtype.kind == "S" and stored.shape == ()
    value: str | None = holder.attrs[name].decode() if is_text else None
    if value is None or not value.isprintable():
        raise bad(
            path,
            f"attribute {name} of {holder.name} is not one line of text of fixed length; make it anew "
            "with the download stage",
        )
    return value


def write_text(path: Path, holder: h5py.File | h5py.Dataset, name: str, value: str) -> None:
    """Write a text as `text` reads it; raises `InputError` where it is not one line."""
    if not value.isprintable():
        raise InputError(f"{path}: {name} {value!r} is not one line of text")
    data = value.encode()
    holder.attrs.create(name, data, dtype=h5py.string_dtype("utf-8", max(len(data), 1)))


def bad(path: Path, why: str) -> InputError:
    """The error for a file, with the place that explains the layouts."""
    return InputError(f"{path}: {why}; the layouts are in docs/data.md")
