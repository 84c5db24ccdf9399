"""What was found of the sets that are asked for, by content: equal where the pictures are equal."""

import hashlib
import json
from pathlib import Path
from typing import Any

from fsrcnn.download.folder import picture_files
from fsrcnn.download.sources import Source, Sources
from fsrcnn.files import sha256, write_json


class FileDigests:
    """SHA-256 of files, kept on the disk for those whose size and time of change stay the same."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, Any]] = {}
        if path.exists():
            self._known = json.loads(path.read_text(encoding="utf-8"))

    def of(self, file: Path) -> str:
        """The digest of a file, read only if it is new or has changed."""
        key, status = str(file.resolve()), file.stat()
        about = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        known = self._known.get(key, {})
        if {name: known.get(name) for name in about} != about:
            self._known[key] = {**about, "sha256": sha256(file)}
        return str(self._known[key]["sha256"])

    def save(self) -> None:
        """Write what is known of the files that are still there."""
        write_json(self._path, {key: value for key, value in self._known.items() if Path(key).exists()})


def fingerprint(sources: Sources, digests: FileDigests) -> dict[str, dict[str, Any]]:
    """{"train": {set: what was found}, "evaluation": {...}}, the sets in their order.

    Of pictures that is how many there are and one digest, whatever the files are called; of an HDF5 file
    its digest; of what must be downloaded the addresses. A set of which there is nothing is empty.
    Raises `InputError` for a folder without pictures.
    """
    return {
        use: {source.name: _found(source, digests) for source in group}
        for use, group in sources._asdict().items()
    }


def _found(source: Source, digests: FileDigests) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if source.pictures:
        each = sorted(digests.of(path) for path in picture_files(source.pictures))
        found["pictures"] = {"count": len(each), "sha256": hashlib.sha256("".join(each).encode()).hexdigest()}
    if source.file:
        found["file"] = {"sha256": digests.of(source.file)}
    if source.urls:
        found["urls"] = list(source.urls)
    if source.bundled:
        found["bundled"] = list(source.bundled)
    return found
