"""Files that appear whole or not at all, and the digest that names their contents."""

import csv
import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fsrcnn.errors import InputError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
LONGEST_NAME = 255  # bytes
TOKEN = 8  # characters by which temporary files of one path differ


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, delete it otherwise.

    The temporary file, `.NAME.tmp-*`, keeps the suffix of `path`, since some writers choose the format
    by it. Its contents reach the disk before it takes its name. Missing parent folders are made.

    Raises `InputError` when the folder cannot be written, or the disk is full while the caller writes.
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        with suppress(OSError):  # some shares can't sync a folder; the file is whole all the same
            sync(path.parent)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise InputError(f"{path}: cannot be written: no space left in {path.parent}") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(*paths: Path) -> None:
    """Delete what `atomic` left beside them when its process was killed. Looks through each folder once."""
    leftovers = {folder: list(folder.glob(".*.tmp-*")) for folder in {path.parent for path in paths}}
    for path in paths:
        start, end = _around(path)
        for leftover in leftovers[path.parent]:
            name = leftover.name
            if name.startswith(start) and name.endswith(end) and len(name) == len(start) + TOKEN + len(end):
                leftover.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    start, end = _around(path)
    return path.with_name(f"{start}{secrets.token_hex(TOKEN // 2)}{end}")


def _around(path: Path) -> tuple[str, str]:
    """What `.NAME.tmp-*` has around its token, cut to the 255 bytes that a file system allows."""
    room = LONGEST_NAME - len(os.fsencode(f"..tmp-{path.suffix}")) - TOKEN
    return f".{os.fsencode(path.stem)[:room].decode(errors='ignore')}.tmp-", path.suffix


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that takes the place of `path` on success.

    What `path` held is gone then; on failure it stays, and the temporary folder is deleted.
    Raises `InputError` when the folder cannot be written.
    """
    outer = _temporary(path)
    new, old = outer / "new", outer / "old"
    try:
        new.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield new
        if path.exists():
            path.rename(old)
        new.rename(path)
        with suppress(OSError):  # as in atomic
            sync(path.parent)
    finally:
        shutil.rmtree(outer)


def sync(path: Path) -> None:
    """Wait until a file's contents, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write `rows`, at least one and all with the keys of the first, as a table with a header, atomically."""
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def sha256(path: Path) -> str:
    """The file's SHA-256 as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
