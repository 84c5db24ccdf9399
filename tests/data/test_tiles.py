import numpy as np
import pytest
from PIL import Image

from fsrcnn.data import hdf5
from fsrcnn.data.degradation import CLEAN
from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.pairs import SHRINKS, make_pair, shrunk_size
from fsrcnn.data.tiles import images_of, open_files

ABOUT = {"source": "test", "made": "for a test"}


def stitched(image, side, which):
    """The tiles of an image put together again."""
    rows, width = [], 0
    for tile in image.tiles(side):
        assert max(tile.height, tile.width) <= side
        part = tile.read(CLEAN)[which][0]
        if width == 0:
            rows.append([])
        rows[-1].append(part)
        width = (width + tile.width) % image.width
    return np.block(rows)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kind", ["RGB", "L"])
def test_tiles_are_cut_from_the_whole_shrunk_picture(tmp_path, scale, kind):
    random = np.random.default_rng(scale)
    coarse = random.integers(256, size=(60, 80, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((203, 161), Image.Resampling.BICUBIC).convert(kind)
    path = tmp_path / "train.h5"
    hdf5.write_pictures(path, [("one", np.asarray(picture))], **ABOUT)
    (reader,) = open_files(path, scale)
    images = [image for image in images_of(reader, scale) if image.rotation == 0]
    assert len(images) == len(SHRINKS)
    for image, shrink in zip(images, SHRINKS, strict=True):
        rgb = picture.convert("RGB")
        smaller = rgb.resize(shrunk_size(*rgb.size, shrink), Image.Resampling.BICUBIC)
        for which, whole in enumerate(make_pair(smaller, scale, "crop")):
            found = stitched(image, 15, which)
            assert found.shape == whole.shape
            # Pillow keeps a box in single precision: a value may be rounded the other way.
            assert np.abs(found - whole).max() <= 1
            assert np.abs(found - whole).mean() < 0.01
    reader.close()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_tiles_of_stored_images_are_parts_of_them(tmp_path, scale):
    random = np.random.default_rng(0)
    pair = Pair(*(random.uniform(16, 235, (31 * k, 44 * k)).astype(np.float32) for k in (1, scale)))
    hdf5.write_pairs(tmp_path / "train.h5", [pair], scale, **ABOUT)
    (reader,) = open_files(tmp_path, scale)
    (image,) = images_of(reader, scale)
    for which in (0, 1):
        assert np.array_equal(stitched(image, 15, which), pair[which])
    reader.close()
