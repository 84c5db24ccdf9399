import numpy as np
import pytest

from fsrcnn.data import hdf5
from fsrcnn.data.prepared import TrainingSet, joined, training_sets
from fsrcnn.errors import InputError


def test_training_sets_come_by_name(tmp_path):
    picture = np.zeros((4, 4, 3), np.uint8)
    for name in ("General-100", "91-image"):
        hdf5.write_pictures(tmp_path / f"{name}.h5", [("p", picture)], source=name, made=f"of {name}")
    (tmp_path / ".unfinished.h5").touch()
    sets = training_sets(tmp_path)
    assert sets == [
        TrainingSet("91-image", tmp_path / "91-image.h5", "of 91-image"),
        TrainingSet("General-100", tmp_path / "General-100.h5", "of General-100"),
    ]
    assert joined([each.name for each in sets]) == "91-image+General-100"


def test_no_training_set(tmp_path):
    with pytest.raises(InputError, match="no training files; run the download stage"):
        training_sets(tmp_path / "train")
