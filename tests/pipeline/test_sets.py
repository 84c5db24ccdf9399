"""One's own pictures through DVC itself: named by path, and a change of them is noticed."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.project import Project


def stages_run(output: str) -> set[str]:
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}


@pytest.fixture
def own(tmp_path) -> Project:
    """A project to train on pictures of a folder outside of it, whose data is there."""
    rng = np.random.default_rng(0)
    for name, count in (("mine", 3), ("shots", 2)):
        (tmp_path / name).mkdir()
        for i in range(count):
            pixels = rng.integers(0, 256, (48, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    project = Project.new(tmp_path / "project")
    params = (project.folder / "params.yaml").read_text()
    changed = params.replace("source: sample", "source: published")
    (project.folder / "params.yaml").write_text(changed)
    project.commit("published sets")
    project.set = ("-S", f"data.train=[{tmp_path}/mine]", "-S", f"data.evaluation=[{tmp_path}/shots,Set14]")
    project.dvc("exp", "run", *project.set, "download@4")
    project.commit("data")
    return project


def test_changed_pictures_are_noticed(own, tmp_path):
    sources = json.loads((own.folder / "data/x4/sources.json").read_text())
    assert list(sources["train"]) == ["mine"]
    assert list(sources["evaluation"]) == ["shots", "Set14"]
    assert {path.name for path in (own.folder / "data/x4/train").iterdir()} == {"mine.h5"}
    names = {path.name for path in (own.folder / "data/x4/evaluation").iterdir()}
    assert names == {"shots_reference.h5", "shots_standard.h5", "pictures"}

    assert stages_run(own.dvc("repro", "download@4")) == {"sources@4"}
    assert own.git("status", "--porcelain", "--untracked-files=no").strip() == ""
    (tmp_path / "mine/0.png").unlink()
    assert stages_run(own.dvc("repro", "download@4")) == {"sources@4", "download@4"}
    # The same pictures somewhere else, called otherwise, are the same data.
    shutil.move(tmp_path / "mine/1.png", tmp_path / "mine/9.png")
    assert stages_run(own.dvc("repro", "download@4")) == {"sources@4"}
    assert "up to date" in own.dvc("status", "download@4")
    assert stages_run(own.dvc("repro", "--dry", "--allow-missing", "download@4")) == {"sources@4"}


def test_an_experiment_in_a_folder_of_its_own_finds_them(own, tmp_path):
    own.dvc("exp", "run", "--temp", "--name", "again", *own.set, "download@4")
    assert not list(own.folder.glob(".dvc/tmp/exps/**/digests.json"))
    (tmp_path / "shots/0.png").unlink()
    output = own.dvc("exp", "run", "--temp", "--name", "fewer", *own.set, "download@4")
    assert stages_run(output) == {"sources@4", "download@4"}
