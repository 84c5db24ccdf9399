"""The first command of a newcomer: stock params.yaml and files as they are published, through DVC."""

import math
from pathlib import Path

import h5py
import pytest

from fsrcnn.data import hdf5
from fsrcnn.data.pairs import make_pair
from fsrcnn.download.samples import EVALUATION, TRAIN, photographs
from tests.project import Project
from tests.published_layout import write_published

SIDE = 160  # of the photographs, so that the files are small and crops of 16 pixels fit into their pictures
SHORT = {
    "train.epochs": 2,
    "train.steps_per_epoch": 4,
    "train.warmup_steps": 2,
    "train.compile": False,
    "finetune.epochs": 1,
    "benchmark.warmup": 1,
    "benchmark.iterations": 3,
    "benchmark.frames": 1,
}


def write_set5(path: Path, scale: int) -> None:
    with h5py.File(path, "w") as file:
        for i, (_, image) in enumerate(photographs(EVALUATION[:2], SIDE)):
            file[f"lr/{i}"], file[f"hr/{i}"] = make_pair(image, scale, "resize")


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Project:
    """A project whose mirror holds nothing but files of the published layout, at all scales."""
    mirror = tmp_path_factory.mktemp("mirror")
    for scale in (2, 3, 4):
        write_published(mirror / f"91-image_x{scale}.h5", photographs(TRAIN[:3], SIDE), scale)
        write_set5(mirror / f"Set5_x{scale}.h5", scale)
    return Project.new(tmp_path_factory.mktemp("published"), {**SHORT, "data.mirror": str(mirror)})


@pytest.mark.parametrize("scale", [4, 2, 3])
def test_stock_parameters(published, scale):
    published.dvc("exp", "run", "--set-param", f"scale={scale}")
    for each in (scale, 3):
        file = published.folder / f"data/x{each}/train/91-image.h5"
        assert "put back together into 60 pictures" in hdf5.attributes(file)["made"]
    evaluation = published.metrics("evaluate")
    assert (evaluation["scale"], evaluation["train_data"]) == (scale, "91-image")
    assert [name for name, value in evaluation.items() if isinstance(value, dict)] == ["Set5", "degraded"]
    assert all(math.isfinite(m["psnr"]) for m in evaluation["Set5"]["reference"].values())
    assert published.metrics("train")["scratch"]["steps"] == 8
    assert f"| ×{scale} | 91-image |" in (published.folder / "metrics/report.md").read_text()
