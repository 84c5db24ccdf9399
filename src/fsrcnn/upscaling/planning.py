"""What `fsrcnn upscale` is going to do: every input with its output, and what can be known to fail."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from fsrcnn.errors import InputError
from fsrcnn.pictures.formats import SUFFIXES
from fsrcnn.upscaling.remote import RemotePath

CLIP_TARGETS = (".mp4", ".m4v", ".mov", ".mkv")
CLIPS = (*CLIP_TARGETS, ".webm", ".avi")
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
CRF = range(1, 52)


class Encoding(NamedTuple):
    """What x264 and x265 are told: the quality, of which less is better, and how much time they may take."""

    crf: int = 18
    preset: str = "superfast"


class Job(NamedTuple):
    """A file to upscale and the file to write."""

    source: Path
    target: Path

    @property
    def has_segments(self) -> bool:
        """Whether it is a clip that can be written in segments, since these can lie beside its target."""
        return is_clip(self.source) and not any(isinstance(path, RemotePath) for path in self)


class Plan(NamedTuple):
    """`refused`: why, one line for each file; `passed_over`: files in folders that are no pictures."""

    jobs: list[Job]
    existing: list[Job]
    refused: list[str]
    passed_over: list[Path]


def is_clip(path: Path) -> bool:
    """Whether the suffix is that of a clip."""
    return path.suffix.lower() in CLIPS


def plan(sources: list[Path], output: Path | None, scale: int, *, skip_existing: bool, force: bool) -> Plan:
    """Find all there is to do, and before any work what would fail after it.

    `output` is a file for one file, and a folder for a folder or for several inputs.
    Raises `InputError` where nothing should be done at all: an input is missing, an output exists or is
    named twice, or can't be written.
    """
    for number, source in enumerate(sources):
        if not source.exists():
            hint = f"; to name the output, write -o {source}" if number else ""
            raise InputError(f"{source}: no such file or folder{hint}")
    several = len(sources) > 1
    if several and output and not output.is_dir() and (output.exists() or _is_known(output)):
        raise InputError(f"{output}: several inputs need a folder as OUT; name one with -o")
    jobs: list[Job] = []
    refused: list[str] = []
    passed_over: list[Path] = []
    for source in sources:
        if source.is_dir():
            target = _beside(source, scale) if output is None else output
            if several and output:
                target /= source.resolve().name
            files = list(files_in(source, target, refused))
            jobs += [Job(path, target / path.relative_to(source)) for path in files if _is_picture(path)]
            passed_over += [path for path in files if not _is_picture(path)]
        elif _is_known(source):
            jobs.append(Job(source, _target_of_file(source, output, scale, several)))
        elif several:
            refused.append(f"{source}: no picture or clip by its suffix")
        else:
            raise InputError(f"{source}: no picture by its suffix; expected {_list(*SUFFIXES, *CLIPS)}")
    if not jobs and not refused:
        others = f"; {named(passed_over)}" if passed_over else ""
        raise InputError(
            f"{sources[0]}: no pictures in this folder; expected {_list(*SUFFIXES)} files{others}"
        )
    return checked(Plan(jobs, [], refused, passed_over), skip_existing, force, os.path.lexists)


def named(paths: list[Path]) -> str:
    """How many files were passed over, and the names of the first ones."""
    names = ", ".join(path.name for path in paths[:10])
    more = f" and {len(paths) - 10} more" if len(paths) > 10 else ""
    return f"passed over, as no pictures: {len(paths)} ({names}{more})"


def _target_of_file(source: Path, output: Path | None, scale: int, several: bool) -> Path:
    if output is None:
        return _beside(source, scale)
    target = output / name_of(source) if several or output.is_dir() else output
    known = CLIPS if is_clip(source) else tuple(SUFFIXES)
    if target.suffix.lower() not in known:
        raise InputError(f"{target}: unknown suffix; expected {_list(*known)}")
    return target


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _is_known(path: Path) -> bool:
    return _is_picture(path) or is_clip(path)


def _list(*suffixes: str) -> str:
    return ", ".join(sorted(suffixes))


def _beside(path: Path, scale: int) -> Path:
    # Resolved, because "." and ".." have no name to add to.
    path = path if path.name else path.resolve()
    if path.is_dir():  # whose dot starts no suffix
        return path.with_name(f"{path.name}_x{scale}")
    return path.with_name(f"{path.stem}_x{scale}{_suffix(path)}")


def name_of(path: Path) -> str:
    """The name of the file to write in another folder."""
    return f"{path.stem}{_suffix(path)}"


def _suffix(path: Path) -> str:
    """The suffix of the file to write: MP4 for clips of a kind that is only read."""
    return ".mp4" if is_clip(path) and path.suffix.lower() not in CLIP_TARGETS else path.suffix


def files_in(folder: Path, leave_out: Path, refused: list[str]) -> Iterator[Path]:
    """Files at every depth, in order, but hidden ones; links to folders are not followed: no loops."""

    def refuse(error: OSError) -> None:
        refused.append(f"{error.filename}: {error.strerror}")

    for root, folders, names in os.walk(folder, onerror=refuse):
        here = Path(root)
        folders[:] = sorted(
            name for name in folders if name[0] != "." and (here / name).resolve() != leave_out.resolve()
        )
        yield from (here / name for name in sorted(names) if name[0] != ".")


def checked(found: Plan, skip_existing: bool, force: bool, exists: Callable[[Path], bool]) -> Plan:
    """The plan without what can't be written or is there already, as `exists` says of a target.

    Raises `InputError` as `plan` does of outputs.
    """
    jobs: list[Job] = []
    taken: dict[str, Path] = {}
    for job in found.jobs:
        other = taken.setdefault(os.path.abspath(job.target), job.source)  # noqa: PTH100 - links stay
        if other is not job.source:
            raise InputError(
                f"{other} and {job.source}: both would be written to {job.target}; do them apart"
            )
        if _is_too_long(job.target):
            found.refused.append(f"{job.target}: File name too long; choose another with -o")
            continue
        if job.source.exists() and os.path.exists(job.target) and job.target.samefile(job.source):  # noqa: PTH110
            raise InputError(f"{job.source}: input and output are the same file; choose another with -o")
        if exists(job.target) and not force:
            found.existing.append(job)
        else:
            jobs.append(job)
    if found.existing and not skip_existing:
        more = f" (and {len(found.existing) - 1} more)" if len(found.existing) > 1 else ""
        raise InputError(
            f"{found.existing[0].target}{more}: exists; choose another with -o, overwrite with --force, "
            "or go on with --skip-existing"
        )
    for parent in {job.target.parent for job in jobs if not isinstance(job.target, RemotePath)}:
        folder = next(path for path in (parent, *parent.parents) if path.exists())
        if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            raise InputError(f"{folder}: not a folder that can be written to; choose another with -o")
    return found._replace(jobs=jobs)


def _is_too_long(path: Path) -> bool:
    try:
        path.lstat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False
