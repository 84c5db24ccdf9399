"""Where each set that params.yaml asks for is to be had: pictures, an HDF5 file, or addresses of one.

A set is asked for by its name, and looked for in the mirror and among the published links, or by the
path of a folder of pictures or of an HDF5 file. Nothing is read here.
"""

import os
import re
from pathlib import Path
from typing import Literal, NamedTuple

from fsrcnn.download import links, samples
from fsrcnn.errors import InputError
from fsrcnn.settings import DataSettings

MIRROR_VARIABLE = "FSRCNN_MIRROR"
SAMPLE = "sample"
# What can stand in a file's name and in that of an MLflow metric; "+" joins the names of sets.
NAME = re.compile(r"\w[\w .-]*")
# The other keys of metrics/evaluate.json.
RESERVED = {"scale", "train_data", "degradation", "champion_by", "champion_data", "degraded"}
Use = Literal["train", "evaluation"]


class Source(NamedTuple):
    """Where one set is to be had; several places where both pictures and a file are there.

    `bundled` are names of photographs inside scikit-image. A set that is `optional` may be left out.
    """

    name: str
    pictures: Path | None = None
    file: Path | None = None
    urls: tuple[str, ...] = ()
    bundled: tuple[str, ...] = ()
    optional: bool = False

    @property
    def at_hand(self) -> bool:
        """Whether nothing needs to be downloaded."""
        return bool(self.pictures or self.file or self.bundled)


class Sources(NamedTuple):
    """The sets to train on, by name, since their order means nothing, and to evaluate on, as asked for."""

    train: list[Source]
    evaluation: list[Source]


def locate(settings: DataSettings, scale: int, root: Path) -> Sources:
    """Find every set of `data.train` and `data.evaluation`.

    Relative paths count from `root`, the main repository. An evaluation set that is asked for by a
    name under which there is neither a picture nor a file nor a link is `optional`.
    Raises `InputError` for a path that does not exist, a training set that is not to be had, a name
    that can't be used or is there twice, and a mirror that is no folder.
    """
    if settings.source == "sample":
        return Sources([Source(SAMPLE, bundled=samples.TRAIN)], [Source(SAMPLE, bundled=samples.EVALUATION)])
    mirror = os.environ.get(MIRROR_VARIABLE) or settings.mirror
    if mirror and not _is_url(mirror):
        folder = root / Path(mirror).expanduser()
        if not folder.is_dir():
            raise InputError(
                f"data.mirror or {MIRROR_VARIABLE}: {mirror} is not a folder; name a folder or a base URL"
            )
        mirror = str(folder)
    found: dict[Use, list[Source]] = {}
    asked: list[tuple[Use, list[str]]] = [("train", settings.train), ("evaluation", settings.evaluation)]
    for use, entries in asked:
        found[use] = [
            _at_path(use, entry, scale, root)
            if _is_path(entry)
            else _named(use, entry, settings, mirror, scale)
            for entry in entries
        ]
        _check_names(use, [source.name for source in found[use]])
    if not any(source.at_hand or source.urls for source in found["evaluation"]):
        names = ", ".join(source.name for source in found["evaluation"])
        raise InputError(f"data.evaluation: none of {names} is at hand; {_advice(names, scale)}")
    return Sources(sorted(found["train"], key=lambda source: source.name), found["evaluation"])


def file_name(name: str, scale: int) -> str:
    """The name of a set's HDF5 file in a mirror."""
    return f"{name}_x{scale}.h5"


def _named(use: Use, name: str, settings: DataSettings, mirror: str, scale: int) -> Source:
    link = links.published(settings.links, name, scale)
    optional = use == "evaluation" and link is None
    urls = [link] if link else []
    if _is_url(mirror):
        urls.insert(0, f"{mirror.rstrip('/')}/{file_name(name, scale)}")
    elif mirror:
        folder, file = Path(mirror) / name, Path(mirror) / file_name(name, scale)
        source = Source(name, folder if folder.is_dir() else None, file if file.is_file() else None)
        if source.at_hand:
            return source
    if not urls and not optional:
        raise InputError(f"data.{use}: {name} is not at hand; {_advice(name, scale)}")
    return Source(name, urls=tuple(urls), optional=optional)


def _at_path(use: Use, entry: str, scale: int, root: Path) -> Source:
    path = root / Path(entry).expanduser()
    if path.is_dir():
        return Source(path.resolve().name, pictures=path)
    # An HDF5 file is of one scale: the file of the scale that a transfer starts from stands beside it.
    if stem := re.fullmatch(r"(.+)_x[234]", path.stem):
        path = path.with_name(file_name(stem[1], scale))
    if path.suffix == ".h5" and path.is_file():
        return Source(stem[1] if stem else path.stem, file=path)
    raise InputError(f"data.{use}: {path}: no such folder or .h5 file; correct the path of {entry!r}")


def _check_names(use: Use, names: list[str]) -> None:
    for name in names:
        if not NAME.fullmatch(name) or name in RESERVED:
            raise InputError(
                f"data.{use}: {name!r} can't name a set; rename it to letters, digits, spaces and . _ -"
            )
        # The names become file names, which some file systems compare without regard to case.
        if [other.casefold() for other in names].count(name.casefold()) > 1:
            raise InputError(f"data.{use}: two sets are called {name}; rename one of them")


def _is_url(mirror: str) -> bool:
    return mirror.startswith(("http://", "https://"))


def _is_path(entry: str) -> bool:
    return "/" in entry or entry.startswith("~") or entry.endswith(".h5")


def _advice(name: str, scale: int) -> str:
    return (
        f"set data.mirror or {MIRROR_VARIABLE} to a folder or base URL that has "
        f"{file_name(name, scale)} or a folder {name}/ of pictures, or name a path"
    )
