"""What there is to do for a clip in segments, and the folder beside the target that holds them."""

import hashlib
import json
import logging
import shutil
from array import array
from pathlib import Path
from typing import Any, NamedTuple

from av import ffmpeg_version_info

from fsrcnn.files import write_json
from fsrcnn.inference import compiling
from fsrcnn.upscaling.clips.reading import opened
from fsrcnn.upscaling.clips.source import Source
from fsrcnn.upscaling.clips.survey import Mark, Survey, survey
from fsrcnn.upscaling.image import Upscaler
from fsrcnn.upscaling.planning import Encoding

LOG = logging.getLogger(__name__)

LENGTH = 250  # frames of a segment: the encoders begin anew after as many in any case
BEFORE = 2  # frames that the deinterlacer has to see before it


class Work(NamedTuple):
    """A clip on its way; files and folders are as this process names them."""

    source: Path
    target: Path
    quality: Encoding
    survey: Survey

    @property
    def folder(self) -> Path:
        """Where the segments lie."""
        return _folder(self.target)

    @property
    def segments(self) -> list[Path]:
        """All of them in order, whether they are finished or not."""
        count = -(-len(self.survey.stamps) // LENGTH)
        return [self.folder / f"{number:06}{self.target.suffix}" for number in range(count)]

    def frames(self, number: int) -> range:
        """The numbers of a segment's frames."""
        return range(len(self.survey.stamps))[number * LENGTH :][:LENGTH]

    def missing(self) -> list[int]:
        """The numbers of the segments that are not finished."""
        return [number for number, path in enumerate(self.segments) if not path.exists()]


def begin(source: Path, target: Path, upscaler: Upscaler, quality: Encoding) -> Work:
    """Go on with what is there of the same source, network, quality and program, else begin anew.

    Raises `InputError` when `source` holds no video, and PyAV's errors.
    """
    if work := begun(source, target, upscaler, quality):
        return work
    folder = _folder(target)
    if _plan(target).exists():
        LOG.warning("%s: of another source, network, quality or version; begun anew", folder)
        shutil.rmtree(folder)
    with opened(source) as given:
        Source(given, source)  # complains where there is no video
    work = Work(source, target, quality, survey(source, LENGTH, BEFORE))
    fields = work.survey._replace(stamps=list(work.survey.stamps), durations=list(work.survey.durations))
    identity = _identity(source, upscaler, quality)
    write_json(_plan(target), {"identity": identity, "survey": fields._asdict()})
    return work


def begun(source: Path, target: Path, upscaler: Upscaler, quality: Encoding) -> Work | None:
    """What is there of the same source, network, quality and program, whichever process has begun it."""
    plan = _plan(target)
    if not plan.exists():
        return None
    found = json.loads(plan.read_text(encoding="utf-8"))
    if found["identity"] != _identity(source, upscaler, quality):
        return None
    return Work(source, target, quality, _survey(found["survey"]))


def _plan(target: Path) -> Path:
    return _folder(target) / "plan.json"


def _folder(target: Path) -> Path:
    return target.with_name(f".{target.name}.fsrcnn")


def _identity(source: Path, upscaler: Upscaler, quality: Encoding) -> list[Any]:
    """All that decides what is in a segment."""
    network = hashlib.sha256()
    for name, values in sorted(upscaler.network.arrays.items()):
        network.update(name.encode() + values.tobytes())
    code = hashlib.sha256(compiling.source() + ffmpeg_version_info.encode())
    for module in sorted(Path(__file__).parents[1].rglob("*.py")):
        code.update(module.read_bytes())
    status = source.stat()
    return [
        *(status.st_size, status.st_mtime_ns, network.hexdigest(), code.hexdigest()),
        *(upscaler.scale, upscaler.backend.name, *quality),
    ]


def _survey(fields: dict[str, Any]) -> Survey:
    marks = {int(number): Mark(*mark) for number, mark in fields["marks"].items()}
    stamps, durations = array("q", fields["stamps"]), array("q", fields["durations"])
    return Survey(**{**fields, "stamps": stamps, "durations": durations, "marks": marks})
