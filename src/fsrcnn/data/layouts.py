"""The layouts of the HDF5 files, told apart by their shapes alone.

pictures  group `pictures` with 8-bit RGB (h, w, 3) or grey (h, w) datasets "0", "1", ...: what we
          store of pictures to train on, the same for every scale
images    groups `lr` and `hr` with datasets "0", "1", ...: evaluation files, whole training images
patches   datasets `lr` (N, p, p) and `hr` (N, p*scale, p*scale): the published training files
srcnn     either of the last two, but with `lr` as large as `hr`: the data of the older network,
          refused for training and turned into the others by `srcnn.rebuild`
"""

from pathlib import Path
from typing import Literal, NamedTuple

import h5py
import numpy as np

from fsrcnn.data.untrusted import bad, check_storage, member

Layout = Literal["pictures", "patches", "images"]


class Description(NamedTuple):
    """What a file holds, decided from its shapes alone."""

    layout: Layout
    srcnn: bool  # lr is as large as hr
    images: int


def layout_of(path: Path, file: h5py.File, scale: int) -> Description:
    """What an opened file holds, without reading the data; every dataset of it is checked.

    Raises `InputError` when it has none of the layouts, was made for another scale, or does not itself
    hold all the data it declares.
    """
    pictures, lr, hr = (member(path, file, name) for name in ("pictures", "lr", "hr"))
    if isinstance(pictures, h5py.Group):
        datasets = [_numbered(path, pictures, name) for name in _names(path, pictures)]
        for data in datasets:
            is_picture = data.ndim == 2 or (data.ndim == 3 and data.shape[2] == 3)
            if data.dtype != np.uint8 or not is_picture or min(data.shape) == 0:
                raise bad(path, f"{data.name} {data.dtype} {data.shape} is not 8-bit (h, w, 3) or (h, w)")
        check_storage(path, datasets)
        return Description("pictures", False, len(datasets))
    if isinstance(lr, h5py.Dataset) and isinstance(hr, h5py.Dataset):
        if lr.ndim != 3 or hr.ndim != 3 or len(lr) != len(hr) or len(lr) == 0:
            raise bad(path, f"lr {lr.shape} and hr {hr.shape} are not (N, h, w) pairs")
        found = Description("patches", _is_srcnn(path, lr, hr, scale), len(lr))
        check_storage(path, [lr, hr])
        return found
    if isinstance(lr, h5py.Group) and isinstance(hr, h5py.Group):
        if set(lr) != set(hr):
            raise bad(path, "the images in groups lr and hr are not the same ones")
        kinds, datasets = set(), []
        for name in _names(path, lr):
            small, large = _numbered(path, lr, name), _numbered(path, hr, name)
            if small.ndim != 2 or large.ndim != 2:
                raise bad(path, f"image {name}: lr {small.shape} and hr {large.shape} are not (h, w)")
            kinds.add(_is_srcnn(path, small, large, scale))
            datasets += [small, large]
        if len(kinds) != 1:
            raise bad(path, "images of both layouts in one file")
        check_storage(path, datasets)
        return Description("images", kinds.pop(), len(lr))
    raise bad(path, "no lr and hr, neither as datasets nor as groups, and no group of pictures")


def _names(path: Path, group: h5py.Group) -> list[str]:
    held = set(group)
    names = [str(i) for i in range(len(held))]
    if not names or held != set(names):
        raise bad(path, f'group {group.name} holds no images named "0", "1", ...')
    return names


def _numbered(path: Path, group: h5py.Group, name: str) -> h5py.Dataset:
    found = member(path, group, name)
    if not isinstance(found, h5py.Dataset):
        raise bad(path, f"image {name} is not a dataset")
    return found


def _is_srcnn(path: Path, lr: h5py.Dataset, hr: h5py.Dataset, scale: int) -> bool:
    """Whether `lr` is as large as `hr`; its last two sides must else be `hr`'s by the scale."""
    for data in (lr, hr):
        if data.dtype.kind not in "fu" or min(data.shape) == 0:
            raise bad(path, f"{data.name} is empty or not numeric: {data.dtype} {data.shape}")
    small, large = lr.shape[-2:], hr.shape[-2:]
    if small == large:
        return True
    if large != (small[0] * scale, small[1] * scale):
        raise bad(
            path,
            f"{hr.name} {large} is not {scale} times {lr.name} {small}: made for another scale?",
        )
    return False
