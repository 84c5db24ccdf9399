"""The HDF5 files: reading and writing each of the `layouts`.

Values of `lr` and `hr` are luma, float32, 0..255. Every file of ours carries the attributes `source`,
`layout` and `made`, and `scale` where it depends on one; texts are UTF-8 of fixed length. What comes
from outside is opened as `untrusted` says.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from fsrcnn.data.layouts import Description, Layout, layout_of
from fsrcnn.data.luma import unit
from fsrcnn.data.untrusted import bad, open_file, readable, text, write_text
from fsrcnn.errors import InputError
from fsrcnn.files import atomic

Luma = NDArray[np.float32]
BLOCK = 4096  # patches read or written at once
WHOLE = slice(None)


class Pair(NamedTuple):
    """One low and high resolution image: `lr` (h, w), `hr` (h*scale, w*scale), 0..255.

    `image` names the photograph it comes from, `variant` what was done to it; both may be empty.
    """

    lr: Luma
    hr: Luma
    image: str = ""
    variant: str = ""

    def unit(self) -> Self:
        """The pair in the unit that networks see, 0..1."""
        return self._replace(lr=unit(self.lr), hr=unit(self.hr))


class Reader:
    """One opened file of any layout, checked without reading its data; close it, or use `with`.

    Images are counted from 0; of each a part can be read, by slices without a step.

    Raises `InputError` when the file is not HDF5, has none of the layouts, was made for another scale,
    or does not itself hold all the data it declares; while reading, for values that are not luma.
    """

    def __init__(self, path: Path, scale: int) -> None:
        self.path, self._scale = path, scale
        with readable(path):
            self._file = open_file(path)
            try:
                self.found = layout_of(path, self._file, scale)
            except BaseException:
                self._file.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def label(self, index: int) -> tuple[str, str]:
        """`image` and `variant` of an image, as `Pair` has them; its number where it has no name."""
        with readable(self.path):
            data = self._dataset("pictures" if self.found.layout == "pictures" else "lr", index)
            return (
                text(self.path, data, "image", str(index)),
                text(self.path, data, "variant", ""),
            )

    def size(self, index: int) -> tuple[int, int]:
        """Height and width: of a picture, or of the `lr` of an image or patch."""
        with readable(self.path):
            if self.found.layout == "patches":
                return tuple(self._file["lr"].shape[1:])
            return tuple(
                self._dataset("pictures" if self.found.layout == "pictures" else "lr", index).shape[:2]
            )

    def picture(self, index: int, rows: slice = WHOLE, columns: slice = WHOLE) -> NDArray[np.uint8]:
        """A picture or a part of it, (h, w, 3) or (h, w)."""
        with readable(self.path):
            pixels: NDArray[np.uint8] = self._dataset("pictures", index)[rows, columns]
            return pixels

    def pair(self, index: int, rows: slice = WHOLE, columns: slice = WHOLE) -> Pair:
        """An image of the images layout; of `lr` the given rows and columns, of `hr` what they show."""
        with readable(self.path):
            times = 1 if self.found.srcnn else self._scale
            lr = self._dataset("lr", index)[rows, columns]
            hr = self._dataset("hr", index)[_times(rows, times), _times(columns, times)]
            return Pair(_luma(self.path, lr), _luma(self.path, hr), *self.label(index))

    def patches(self, block: slice) -> tuple[Luma, Luma]:
        """Patches of the patches layout: lr (n, p, p) and hr (n, p*scale, p*scale)."""
        with readable(self.path):
            return _luma(self.path, self._file["lr"][block]), _luma(self.path, self._file["hr"][block])

    def expect(self, layout: Layout, *, srcnn: bool = False) -> None:
        """Raise `InputError` where the file has another layout."""
        if (self.found.layout, self.found.srcnn) != (layout, srcnn):
            held: str = self.found.layout
            if held != "pictures":
                held += f" in the {'SRCNN' if self.found.srcnn else 'FSRCNN'} layout"
            raise bad(
                self.path, f"holds {held}, where {layout} were expected; make it anew with the download stage"
            )

    def _dataset(self, group: str, index: int) -> h5py.Dataset:
        return self._file[group][str(index)]


def describe(path: Path, scale: int) -> Description:
    """Tell a file's layout from its shapes, without reading the data; raises as `Reader` does."""
    with Reader(path, scale) as reader:
        return reader.found


def read_pictures(path: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Name and pixels of each picture of a file in the pictures layout, in numeric order.

    Raises `InputError` as `Reader` does, and for every other layout.
    """
    with Reader(path, 1) as reader:
        reader.expect("pictures")
        for index in range(reader.found.images):
            yield reader.label(index)[0], reader.picture(index)


def read_pairs(path: Path, scale: int, *, srcnn: bool = False) -> Iterator[Pair]:
    """The images of a file in the images layout, in numeric order.

    Raises `InputError` as `Reader` does, and for every other layout (one with an `lr` as large as `hr`
    is read with `srcnn` and only then).
    """
    with Reader(path, scale) as reader:
        reader.expect("images", srcnn=srcnn)
        yield from map(reader.pair, range(reader.found.images))


def read_patches(path: Path, scale: int, *, srcnn: bool = False) -> Iterator[tuple[Luma, Luma]]:
    """Blocks of a file in the patches layout: lr (n, p, p) and hr (n, p*scale, p*scale).

    Raises `InputError` as `read_pairs` does.
    """
    with Reader(path, scale) as reader:
        reader.expect("patches", srcnn=srcnn)
        for start in range(0, reader.found.images, BLOCK):
            yield reader.patches(slice(start, start + BLOCK))


def write_pictures(
    path: Path, pictures: Iterable[tuple[str, NDArray[np.uint8]]], *, source: str, made: str
) -> int:
    """Write pictures, each a name and (h, w, 3) or (h, w), atomically; returns how many.

    Raises `InputError` when there are none, or a text is not one line.
    """
    count = 0
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        group = file.create_group("pictures")
        for name, pixels in pictures:
            data = group.create_dataset(str(count), data=np.asarray(pixels, np.uint8))
            write_text(path, data, "image", name)
            count += 1
        if count == 0:
            raise InputError(f"{path}: there are no pictures to write to it")
        _annotate(path, file, None, "pictures", source, made)
    return count


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
            write_text(path, small, "image", pair.image)
            write_text(path, small, "variant", pair.variant)
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
    layout = describe(path, scale).layout
    with readable(path), open_file(path, "r+") as file:
        _annotate(path, file, None if layout == "pictures" else scale, layout, source, made)


def attributes(path: Path) -> dict[str, Any]:
    """The attributes `source`, `layout`, `made` and, but for pictures, `scale` of a file of ours.

    Raises `InputError` when one is missing or is not of its type.
    """
    with readable(path), open_file(path) as file:
        names = ["layout", "made", "source"] + ["scale"] * ("pictures" not in file)
        if missing := sorted(name for name in names if name not in file.attrs):
            raise bad(path, f"attributes missing: {', '.join(missing)}; make it anew with the download stage")
        found: dict[str, Any] = {name: text(path, file, name, "") for name in names[:3]}
        if "scale" in names:
            stored = file.attrs.get_id("scale")
            if stored.shape != () or stored.dtype.kind not in "iu":
                raise bad(path, "attribute scale is not a whole number")
            found["scale"] = int(file.attrs["scale"])
        return found


def _annotate(path: Path, file: h5py.File, scale: int | None, layout: Layout, source: str, made: str) -> None:
    if scale is not None:
        file.attrs["scale"] = scale
    for name, value in (("source", source), ("layout", layout), ("made", made)):
        write_text(path, file, name, value)


def _times(part: slice, scale: int) -> slice:
    start, stop = (None if edge is None else edge * scale for edge in (part.start, part.stop))
    return slice(start, stop)


def _luma(path: Path, values: object) -> Luma:
    y = np.asarray(values)
    # Pillow's bicubic may overshoot 0..255 in rebuilt files, but only by a fraction of the range.
    if not (y.min() >= -128 and y.max() <= 383):  # false for NaN too
        raise bad(path, "luma that is not finite or far outside 0..255")
    return y.astype(np.float32, copy=False)
