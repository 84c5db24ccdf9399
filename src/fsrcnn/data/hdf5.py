"""The HDF5 files: which layouts there are, how one is told from another, reading and writing.

patches  datasets `lr` (N, p, p) and `hr` (N, p*scale, p*scale): the published training files
images   groups `lr` and `hr` with datasets "0", "1", ...: evaluation files, and what we write
srcnn    either of the two, but with `lr` as large as `hr`: the data of the older network, refused
         for training and turned into the others by `srcnn.rebuild`

Values are luma, float32, 0..255. Every file of ours carries the attributes `source`, `scale`,
`layout` and `made`; texts are UTF-8 of fixed length.

A file from outside is not trusted: HDF5 can point at other files, at itself in a circle, and at data
that is not there, so only plain datasets whose contents the file itself holds are read. Of attributes,
those of variable length are not: their texts lie in a heap, and the HDF5 library can loop for ever in
one that is damaged.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from fsrcnn.errors import InputError
from fsrcnn.files import atomic

Luma = NDArray[np.float32]
Layout = Literal["patches", "images"]
ATTRIBUTES = ("source", "scale", "layout", "made")
BLOCK = 4096  # patches read or written at once
MOST_COMPRESSED = 100  # times that a dataset may be larger than its compressed form


class Pair(NamedTuple):
    """One low and high resolution image: `lr` (h, w), `hr` (h*scale, w*scale), 0..255.

    `image` names the photograph it comes from, `variant` what was done to it; both may be empty.
    """

    lr: Luma
    hr: Luma
    image: str = ""
    variant: str = ""


class Description(NamedTuple):
    """What a file holds, decided from its shapes alone."""

    layout: Layout
    srcnn: bool  # lr is as large as hr
    images: int


def describe(path: Path, scale: int) -> Description:
    """Tell a file's layout from its shapes, without reading the data.

    Raises `InputError` when it is not HDF5, has neither layout, was made for another scale, or does
    not itself hold all the data it declares.
    """
    with _open(path) as file:
        lr, hr = _member(path, file, "lr"), _member(path, file, "hr")
        if isinstance(lr, h5py.Dataset) and isinstance(hr, h5py.Dataset):
            if lr.ndim != 3 or hr.ndim != 3 or len(lr) != len(hr) or len(lr) == 0:
                raise _bad(path, f"lr {lr.shape} and hr {hr.shape} are not (N, h, w) pairs")
            found = Description("patches", _is_srcnn(path, lr, hr, scale), len(lr))
            _check_storage(path, [lr, hr])
            return found
        if isinstance(lr, h5py.Group) and isinstance(hr, h5py.Group):
            held = set(lr)
            names = [str(i) for i in range(len(held))]
            if not names or held != set(hr) or held != set(names):
                raise _bad(path, 'groups lr and hr hold no images, or not the same ones named "0", "1", ...')
            kinds, datasets = set(), []
            for name in names:
                small, large = _member(path, lr, name), _member(path, hr, name)
                if not isinstance(small, h5py.Dataset) or not isinstance(large, h5py.Dataset):
                    raise _bad(path, f"image {name} is not a dataset")
                if small.ndim != 2 or large.ndim != 2:
                    raise _bad(path, f"image {name}: lr {small.shape} and hr {large.shape} are not (h, w)")
                kinds.add(_is_srcnn(path, small, large, scale))
                datasets += [small, large]
            if len(kinds) != 1:
                raise _bad(path, "images of both layouts in one file")
            _check_storage(path, datasets)
            return Description("images", kinds.pop(), len(names))
        raise _bad(path, "no lr and hr, neither as datasets nor as groups")


def read_pairs(path: Path, scale: int, *, srcnn: bool = False) -> Iterator[Pair]:
    """The images of a file in the images layout, in numeric order.

    Raises `InputError` for every other file (one with an `lr` as large as `hr` is read with `srcnn`
    and only then), and for values that are not finite.
    """
    found = _expect(path, scale, "images", srcnn)
    with _open(path) as file:
        for name in map(str, range(found.images)):
            small, large = file["lr"][name], file["hr"][name]
            yield Pair(
                _luma(path, small[()]),
                _luma(path, large[()]),
                _text(path, small, "image", name),
                _text(path, small, "variant", ""),
            )


def read_patches(path: Path, scale: int, *, srcnn: bool = False) -> Iterator[tuple[Luma, Luma]]:
    """Blocks of a file in the patches layout: lr (n, p, p) and hr (n, p*scale, p*scale).

    Raises `InputError` as `read_pairs` does.
    """
    found = _expect(path, scale, "patches", srcnn)
    with _open(path) as file:
        for start in range(0, found.images, BLOCK):
            block = slice(start, start + BLOCK)
            yield _luma(path, file["lr"][block]), _luma(path, file["hr"][block])


def write_pairs(path: Path, pairs: Iterable[Pair], scale: int, *, source: str, made: str) -> int:
    """Write whole images, atomically; returns how many.

    Raises `InputError` when there are none, or a text of theirs is not one line.
    """
    count = 0
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        lr, hr = file.create_group("lr"), file.create_group("hr")
        for pair in pairs:
            small = lr.create_dataset(str(count), data=pair.lr)
            hr.create_dataset(str(count), data=pair.hr)
            _write_text(path, small, "image", pair.image)
            _write_text(path, small, "variant", pair.variant)
            count += 1
        if count == 0:
            raise InputError(f"{path}: there are no images to write to it")
        _annotate(path, file, scale, "images", source, made)
    return count


def write_patches(
    path: Path, blocks: Iterable[tuple[Luma, Luma]], scale: int, *, source: str, made: str
) -> int:
    """Write blocks of patches, as `read_patches` gives them, atomically; returns how many patches.

    Raises `InputError` when there are none.
    """
    count = 0
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        for block in blocks:
            for name, data in zip(("lr", "hr"), block, strict=True):
                if name not in file:
                    shape = data.shape[1:]
                    file.create_dataset(name, (0, *shape), np.float32, maxshape=(None, *shape))
                file[name].resize(count + len(data), axis=0)
                file[name][count:] = data
            count += len(block[0])
        if count == 0:
            raise InputError(f"{path}: there are no patches to write to it")
        _annotate(path, file, scale, "patches", source, made)
    return count


def annotate(path: Path, scale: int, *, source: str, made: str) -> None:
    """Give a file that came from outside the attributes that ours carry, in place.

    Raises `InputError` for a file that `describe` refuses or that is too damaged to take them.
    """
    found = describe(path, scale)
    with _open(path, "r+") as file:
        _annotate(path, file, scale, found.layout, source, made)


def attributes(path: Path) -> dict[str, Any]:
    """The attributes `source`, `scale`, `layout` and `made` of a file of ours.

    Raises `InputError` when one is missing or is not of its type.
    """
    with _open(path) as file:
        missing = sorted(name for name in ATTRIBUTES if name not in file.attrs)
        if missing:
            raise _bad(
                path, f"attributes missing: {', '.join(missing)}; make it anew with the download stage"
            )
        texts = {name: _text(path, file, name, "") for name in ATTRIBUTES if name != "scale"}
        if file.attrs.get_id("scale").shape != () or file.attrs.get_id("scale").dtype.kind not in "iu":
            raise _bad(path, "attribute scale is not a whole number")
        return {**texts, "scale": int(file.attrs["scale"])}


def _annotate(path: Path, file: h5py.File, scale: int, layout: Layout, source: str, made: str) -> None:
    file.attrs["scale"] = scale
    for name, text in (("source", source), ("layout", layout), ("made", made)):
        _write_text(path, file, name, text)


def _expect(path: Path, scale: int, layout: Layout, srcnn: bool) -> Description:
    found = describe(path, scale)
    if (found.layout, found.srcnn) != (layout, srcnn):
        held = f"{found.layout} in the {'SRCNN' if found.srcnn else 'FSRCNN'} layout"
        raise _bad(path, f"holds {held}, where {layout} were expected; make it anew with the download stage")
    return found


@contextmanager
def _open(path: Path, mode: Literal["r", "r+"] = "r") -> Iterator[h5py.File]:
    """An existing file; what h5py raises on damage, then or while it is used, is an `InputError`."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; run the download stage")
    try:
        with h5py.File(path, mode) as file:
            yield file
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise _bad(path, f"not a readable HDF5 file ({reason})") from None


def _member(path: Path, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """What `name` is in a group; refused where it, or its data, may lie outside the file."""
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise _bad(path, f"{name} is a link to elsewhere, where the data itself is expected")
    found = group[name]
    if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
        raise _bad(path, f"{found.name} takes its data from other files")
    return found


def _check_storage(path: Path, datasets: list[h5py.Dataset]) -> None:
    """Refuse datasets that declare more than the file holds: reading would fill the memory."""
    held = 0
    for data in datasets:
        stored = data.id.get_storage_size()
        # A compressed chunk is unpacked whole, even where it reaches beyond its dataset.
        declared = max(data.size, math.prod(data.chunks or ())) * data.dtype.itemsize
        compressed = data.id.get_create_plist().get_nfilters() > 0
        if declared > stored * (MOST_COMPRESSED if compressed else 1):
            raise _bad(path, f"{data.name} {data.shape} declares {declared} bytes and holds {stored}")
        held += stored
    if held > path.stat().st_size:
        raise _bad(path, f"its datasets together declare {held} bytes, more than the file has")


def _is_srcnn(path: Path, lr: h5py.Dataset, hr: h5py.Dataset, scale: int) -> bool:
    """Whether `lr` is as large as `hr`; its last two sides must else be `hr`'s by the scale."""
    for data in (lr, hr):
        if data.dtype.kind not in "fu" or min(data.shape) == 0:
            raise _bad(path, f"{data.name} is empty or not numeric: {data.dtype} {data.shape}")
    small, large = lr.shape[-2:], hr.shape[-2:]
    if small == large:
        return True
    if large != (small[0] * scale, small[1] * scale):
        raise _bad(
            path,
            f"{hr.name} {large} is not {scale} times {lr.name} {small}: made for another scale?",
        )
    return False


def _luma(path: Path, values: object) -> Luma:
    y = np.asarray(values)
    # Pillow's bicubic may overshoot 0..255 in rebuilt files, but only by a fraction of the range.
    if not (y.min() >= -128 and y.max() <= 383):  # false for NaN too
        raise _bad(path, "luma that is not finite or far outside 0..255")
    return y.astype(np.float32, copy=False)


def _text(path: Path, holder: h5py.File | h5py.Dataset, name: str, default: str) -> str:
    """A text attribute of one line and of fixed length; another is refused unread."""
    if name not in holder.attrs:
        return default
    stored = holder.attrs.get_id(name)
    is_text = stored.dtype.kind == "S" and stored.shape == ()
    text: str | None = holder.attrs[name].decode() if is_text else None
    if text is None or not text.isprintable():
        raise _bad(
            path,
            f"attribute {name} of {holder.name} is not one line of text of fixed length; make it anew "
            "with the download stage",
        )
    return text


def _write_text(path: Path, holder: h5py.File | h5py.Dataset, name: str, text: str) -> None:
    if not text.isprintable():
        raise InputError(f"{path}: {name} {text!r} is not one line of text")
    data = text.encode()
    holder.attrs.create(name, data, dtype=h5py.string_dtype("utf-8", max(len(data), 1)))


def _bad(path: Path, why: str) -> InputError:
    return InputError(f"{path}: {why}; the layouts are in docs/data.md")
