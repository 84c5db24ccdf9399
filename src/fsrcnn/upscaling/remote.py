"""Files in object stores and on other hosts, by URL, as fsspec knows them: `s3://`, `gs://`, `memory://`, ...

Whoever works on one copies it here, and copies the result there. An object appears whole: it is there once
all of it was put.
"""

import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrcnn.errors import InputError
from fsrcnn.pictures.reading import reason

URL = re.compile(r"[a-z][a-z0-9+.-]+://")
making = threading.Lock()

if TYPE_CHECKING:
    Base = Path
else:
    Base = type(Path())


class RemotePath(Base):
    """A URL that has a suffix, a name and parts as a path has; it can't be opened."""

    def __str__(self) -> str:
        return f"{self.parts[0]}//{'/'.join(self.parts[1:])}"


def path_of(text: str) -> Path:
    """What a person writes for a file or folder: a path, `file://` and a path, or another URL."""
    text = text.removeprefix("file://")
    return RemotePath(text) if URL.match(text) else Path(text)


def files_in(folder: RemotePath) -> list[Path]:
    """Files at every depth, in order; a file itself; none where there is neither.

    Raises `InputError` without fsspec or the package for such URLs, and where the other side does not answer.
    """
    try:
        system, root = _file_system(folder)
        system.invalidate_cache()
        return [RemotePath(folder, name[len(root) :].lstrip("/")) for name in system.find(root)]
    except InputError:
        raise
    except Exception as error:  # each of its file systems has its own
        raise InputError(f"{folder}: can't be listed ({reason(error)})") from None


@contextmanager
def fetched(path: Path) -> Iterator[Path]:
    """A local file: the path itself, or a copy of what is remote.

    Raises `InputError` where it can't be had.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    system, _ = _file_system(path)
    with _copy(path) as copy:
        try:
            system.get_file(str(path), str(copy))
        except Exception as error:
            raise InputError(f"{path}: can't be read ({reason(error)})") from None
        yield copy


@contextmanager
def delivered(path: Path) -> Iterator[Path]:
    """A local file to write: the path itself, or one that is put there afterwards.

    Raises `InputError` where it can't be put.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    system, _ = _file_system(path)
    with _copy(path) as copy:
        yield copy
        try:
            system.put_file(str(copy), str(path))
        except Exception as error:
            raise InputError(f"{path}: can't be written ({reason(error)})") from None


def told(text: str) -> str:
    """Words about copies, as words about what they are copies of."""
    if not _copies.cache_info().currsize:
        return text
    return re.sub(re.escape(f"{_copies().name}/") + "([^/:]+:)/", r"\1//", text)


@contextmanager
def _copy(path: RemotePath) -> Iterator[Path]:
    with making:  # two threads would make two, one of which is gone at once
        folder = _copies().name
    copy = Path(folder, *path.parts)
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield copy
    finally:
        copy.unlink(missing_ok=True)


@cache
def _copies() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="fsrcnn-")


def _file_system(path: RemotePath) -> tuple[Any, str]:
    """What speaks to the other side, and what the path is called there."""
    try:
        import fsspec

        system, root = fsspec.url_to_fs(str(path))
    except (ImportError, ValueError) as error:
        raise InputError(
            f"{path}: {reason(error)}; run pip install 'fsrcnn[remote]' and the package that fsspec needs "
            "for such URLs, as s3fs, gcsfs or adlfs"
        ) from None
    return system, root
