"""The record of a run on disk: all that is known of it, written as it goes, for `sync` to tell MLflow.

A record is a folder in `records/`: `record.json`, and beside it copies of the files to send. It
outlives a killed process and a dead server, and is removed once MLflow has all of it and nothing
more can come. Whoever holds a record has locked it: other processes pass it by.
"""

import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from filelock import FileLock, Timeout
from pydantic import BaseModel, PrivateAttr

from fsrcnn.files import atomic, write_json

RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"


@dataclass(frozen=True)
class Dataset:
    """Data that a run read. Metrics that are named `<name>/...` were measured on it.

    `source` says where the data came from: a link, or a path or name if there is none.
    """

    name: str
    path: Path
    sha256: str
    source: str
    context: str = "training"


class Point(NamedTuple):
    """The value of a metric at a step, and when it was recorded, in ms since 1970."""

    metric: str
    step: int
    value: float
    time: int


class Candidate(BaseModel):
    """A network for the model registry: its scale, and its PSNR in dB on the data that a digest names."""

    scale: int
    psnr: float
    data_digest: str
    description: str = ""
    eligible: bool = True  # for the alias `champion`


class Record(BaseModel):
    """What is known of one training, of results that belong to its weights, or of their promotion."""

    kind: Literal["training", "results", "promotion"]
    store: str  # the MLflow tracking URI that it is for
    output: Path  # the weights file
    weights_sha256: str | None = None
    run_id: str | None = None
    name: str = ""
    params: dict[str, Any] = {}
    tags: dict[str, str] = {}
    datasets: list[Dataset] = []
    points: list[Point] = []
    sent: int = 0  # points that MLflow has at least
    candidate: Candidate | None = None
    status: str = RUNNING
    started: int = 0  # ms since 1970, as is `ended`
    ended: int | None = None
    resumable: bool = False  # an interrupted training goes on when its stage is run again
    _folder: Path = PrivateAttr()
    _lock: FileLock = PrivateAttr()

    @classmethod
    def create(cls, records: Path, **fields: Any) -> Self:  # noqa: ANN401  # those above
        """A new record, on disk and locked until `close` or `remove`."""
        record = cls(**fields, started=_now())
        record._folder = records / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}"  # in order of age
        record._folder.mkdir(parents=True)
        record._lock = _lock(record._folder)
        record._lock.acquire()
        record.save()
        return record

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self._folder.name

    def add_metrics(self, step: int, values: Mapping[str, float]) -> bool:
        """Add the values of a step; one that is there already stays. Returns whether any was new."""
        there = {(point.metric, point.step) for point in self.points}
        new = [Point(name, step, x, _now()) for name, x in values.items() if (name, step) not in there]
        self.points += new
        return bool(new)

    def add_files(self, kind: str, paths: Iterable[Path]) -> None:
        """Keep copies of files: of kind "model", the weights file, or "figures"."""
        for path in paths:
            with atomic(self._folder / kind / path.name) as temporary:
                shutil.copyfile(path, temporary)

    def files(self, kind: str) -> list[Path]:
        """The kept files of a kind."""
        return sorted((self._folder / kind).glob("[!.]*"))

    def end(self, status: str, *, resumable: bool = False) -> None:
        """Set the final status and the time."""
        self.status, self.ended, self.resumable = status, _now(), resumable
        self.save()

    def save(self) -> None:
        """Write `record.json`, atomically."""
        write_json(self._folder / "record.json", self.model_dump(mode="json"))

    def close(self) -> None:
        """Leave the record to other processes."""
        self._lock.release()

    def remove(self) -> None:
        """Delete the record."""
        shutil.rmtree(self._folder)
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)


def unheld(records: Path, store: str) -> Iterator[Record]:
    """The records for a store that no process holds, oldest first; close or remove each."""
    for path in sorted(records.glob("*/record.json")):
        lock = _lock(path.parent)
        try:
            lock.acquire()
        except Timeout:
            continue
        # Its holder may just have removed it.
        record = Record.model_validate_json(path.read_text()) if path.exists() else None
        if record is not None and record.store == store:
            record._folder, record._lock = path.parent, lock
            yield record
        else:
            lock.release()


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_suffix(".lock"), blocking=False)


def _now() -> int:
    return int(time.time() * 1000)
