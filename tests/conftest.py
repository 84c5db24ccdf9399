import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_server import Server, served

from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.pairs import make_pair
from fsrcnn.download.samples import EVALUATION, photographs
from fsrcnn.training.loading import TrainingData, as_tensors
from fsrcnn.training.pool import PatchPool
from tests.project import Project

MIRROR = "FSRCNN_MIRROR"
# Read once: a test may set the variable for the code under test.
FOLDER = os.environ.get(MIRROR, "")


TESTS = Path(__file__).parent
# Groups that take minutes begin first, so that the workers end together.
LONGEST = ("project", "pipeline/test_published.py", "torch/test_killed.py", "tracking/test_outage.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For `-n`: tests of one file, and those that share a fixture of the session, stay with one worker."""

    def group(item: pytest.Item) -> str:
        shared = [name for name in ("project", "fsrcnn_server") if name in getattr(item, "fixturenames", ())]
        return shared[0] if shared else item.path.relative_to(TESTS).as_posix()

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: LONGEST.index(group(item)) if group(item) in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of real pictures: 91-image/, Set5/ and Set14/."""
    if not FOLDER:
        pytest.skip(f"real data: {MIRROR} is not set; it names a folder with 91-image/, Set5/ and Set14/")
    if not Path(FOLDER).is_dir():
        pytest.skip(f"real data: {MIRROR} names no folder: {FOLDER}")
    return Path(FOLDER).resolve()


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Project:
    """A copy of this repository in which the whole pipeline ran once, with tiny settings."""
    project = Project.new(tmp_path_factory.mktemp("project"))
    project.output = project.dvc("repro")
    project.commit("first run")
    return project


@pytest.fixture(scope="session")
def fsrcnn_server(tmp_path_factory) -> Iterator[Server]:
    """`fsrcnn serve` with a model of MLflow, the released x2 network."""
    with served(tmp_path_factory.mktemp("served"), 2, "fsrcnn", "serve", "MODEL") as server:
        yield server


@pytest.fixture
def data() -> TrainingData:
    """Bundled photographs at x4: one held out, the rest to train on."""
    pairs = [Pair(*make_pair(image, 4, "resize"), name) for name, image in photographs(EVALUATION)]
    validation = as_tensors((pair.lr[None], pair.hr[None]) for pair in pairs[:1])
    return TrainingData(PatchPool.of_pairs(4, pairs[1:]), validation)
