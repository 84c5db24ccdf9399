"""What MLflow has still to be told, on disk, so that it outlives a killed process and a dead server.

An entry is a folder in `outbox/`: `entry.json`, and beside it the files to send. `tracking` writes an
entry before it sends anything, and removes it once everything in it has arrived. Whoever holds an entry
has locked it: other processes pass it by.
"""

import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel

from fsrcnn.files import atomic, write_json

RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"


class Point(BaseModel):
    """The value of a metric at a step, and when it was logged, in ms since 1970."""

    step: int
    value: float
    time: int


class Candidate(BaseModel):
    """A network for the model registry: its scale, and its PSNR in dB on the data that a digest names."""

    scale: int
    psnr: float
    data_digest: str


class Content(BaseModel):
    """What `entry.json` holds.

    `store` is the MLflow tracking URI that it is for. The entry of a training names its run, and the
    weights file `output` that it writes at its end; the entry of results that came later names no
    run but the SHA-256 of the weights they belong to, and may enter them as a candidate.
    """

    store: str
    run_id: str | None = None
    output: Path | None = None
    weights_sha256: str | None = None
    candidate: Candidate | None = None
    status: str = RUNNING
    ended: int | None = None  # ms since 1970
    tags: dict[str, str] = {}
    metrics: dict[str, list[Point]] = {}


class Entry:
    """One entry, locked until `close` or `remove`."""

    def __init__(self, folder: Path, content: Content, lock: FileLock) -> None:
        self.folder = folder
        self.content = content
        self._lock = lock

    @classmethod
    def create(cls, outbox: Path, content: Content) -> "Entry":
        """A new entry, on disk."""
        folder = outbox / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}"  # in order of age
        folder.mkdir(parents=True)
        entry = cls(folder, content, _lock(folder))
        entry._lock.acquire()
        entry.save()
        return entry

    def add_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Add the values of a step; a step that is there already keeps what it has."""
        now = int(time.time() * 1000)
        for name, value in values.items():
            points = self.content.metrics.setdefault(name, [])
            if step not in {point.step for point in points}:
                points.append(Point(step=step, value=value, time=now))

    def add_files(self, kind: str, paths: Iterable[Path]) -> None:
        """Keep copies of files: of kind "model", the weights file, or "figures"."""
        for path in paths:
            with atomic(self.folder / kind / path.name) as temporary:
                shutil.copyfile(path, temporary)

    def files(self, kind: str) -> list[Path]:
        """The kept files of a kind."""
        return sorted((self.folder / kind).glob("[!.]*"))

    def end(self, status: str) -> None:
        """Set the final status and the time."""
        self.content.status, self.content.ended = status, int(time.time() * 1000)

    def save(self) -> None:
        """Write `entry.json`, atomically."""
        write_json(self.folder / "entry.json", self.content.model_dump(mode="json"))

    def close(self) -> None:
        """Leave the entry to be sent by another process."""
        self._lock.release()

    def remove(self) -> None:
        """Delete the entry."""
        shutil.rmtree(self.folder)
        self._lock.release()
        _lock_file(self.folder).unlink(missing_ok=True)


def entries(outbox: Path) -> Iterator[Entry]:
    """The entries that no other process holds, oldest first; close or remove each."""
    for path in sorted(outbox.glob("*/entry.json")):
        lock = _lock(path.parent)
        try:
            lock.acquire()
        except Timeout:
            continue
        if path.exists():  # its holder may just have removed it
            yield Entry(path.parent, Content.model_validate_json(path.read_text()), lock)
        else:
            lock.release()


def _lock(folder: Path) -> FileLock:
    return FileLock(_lock_file(folder), blocking=False)


def _lock_file(folder: Path) -> Path:
    return folder.with_suffix(".lock")
