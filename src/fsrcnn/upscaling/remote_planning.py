"""What `fsrcnn upscale` is going to do where IN or OUT is a URL: one IN, a clip or pictures, to OUT."""

import os
from pathlib import Path

from fsrcnn.errors import InputError
from fsrcnn.pictures.formats import SUFFIXES
from fsrcnn.upscaling import planning
from fsrcnn.upscaling.planning import CLIP_TARGETS, Job, Plan, is_clip
from fsrcnn.upscaling.remote import RemotePath, files_in


def plan(sources: list[Path], output: Path | None, scale: int, *, skip_existing: bool, force: bool) -> Plan:
    """As `planning.plan`, and that where all is local.

    Both sides are listed once, however many files there are.
    Raises `InputError` as it does, and where a side can't be listed.
    """
    if not any(isinstance(path, RemotePath) for path in (*sources, output)):
        return planning.plan(sources, output, scale, skip_existing=skip_existing, force=force)
    if len(sources) > 1 or output is None:
        raise InputError("with a URL, name one IN and an OUT with -o")
    (source,) = sources
    refused: list[str] = []
    jobs: list[Job] = []
    passed_over: list[Path] = []
    for path in _listed(source, output, refused):
        if is_clip(path) and path == source:
            as_file = output.suffix.lower() in CLIP_TARGETS
            jobs.append(Job(path, output if as_file else output / planning.name_of(path)))
        elif path.suffix.lower() not in SUFFIXES:
            passed_over.append(path)
        elif path == source:
            jobs.append(Job(path, output if output.suffix.lower() in SUFFIXES else output / path.name))
        else:
            jobs.append(Job(path, output.joinpath(*path.parts[len(source.parts) :])))
    if not jobs and not refused:
        others = f"; {planning.named(passed_over)}" if passed_over else ""
        raise InputError(f"{source}: no pictures there{others}")
    if any(job.source == job.target for job in jobs):
        raise InputError(f"{source}: input and output are the same; choose another with -o")
    there = set(files_in(output)) if isinstance(output, RemotePath) else None
    exists = os.path.lexists if there is None else there.__contains__
    return planning.checked(Plan(jobs, [], refused, passed_over), skip_existing, force, exists)


def _listed(source: Path, output: Path, refused: list[str]) -> list[Path]:
    """The files of IN but hidden ones and those of OUT."""
    if not isinstance(source, RemotePath):
        if source.is_dir():
            return list(planning.files_in(source, output, refused))
        return [source] if source.exists() else []
    hidden = len(source.parts)
    return [
        path
        for path in files_in(source)
        if not path.is_relative_to(output) and not any(part[0] == "." for part in path.parts[hidden:])
    ]
