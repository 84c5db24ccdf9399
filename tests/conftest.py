import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_server import Server, served
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from fsrcnn.data.hdf5 import Pair
from fsrcnn.data.pairs import make_pair
from fsrcnn.download.samples import EVALUATION, photographs
from fsrcnn.training.loading import TrainingData, as_tensors
from fsrcnn.training.pool import PatchPool
from tests.project import Project

MIRROR = "FSRCNN_MIRROR"
# Read once: a test may set the variable for the code under test.
FOLDER = os.environ.get(MIRROR, "")


# Fixtures that are made once, and the files that share them.
SHARED = {
    "project": (
        "tests/pipeline/test_check_lock.py",
        "tests/pipeline/test_pipeline.py",
        "tests/tracking/test_browser.py",
        "tests/tracking/test_team.py",
    ),
    "fsrcnn_server": ("tests/serving/test_invocations.py", "tests/tracking/test_pyfunc.py"),
}
# What takes minutes begins first, so that the workers end together.
LONGEST = (
    *SHARED["project"],
    "tests/pipeline/test_published.py",
    "tests/torch/test_killed.py",
    "tests/tracking/test_outage.py",
    "tests/torch/test_workers.py",
)


def file_of(nodeid: str) -> str:
    """The file of a test, from the root of the repository."""
    return nodeid.partition("::")[0]


class Files(LoadScopeScheduling):
    """For `-n`: tests of one file, and of those that share a fixture, stay with one worker.

    The mark `xdist_group` has no effect with pytest 9.2 (https://github.com/pytest-dev/pytest-xdist/issues/1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        file = file_of(nodeid)
        return next((name for name, files in SHARED.items() if file in files), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Files:
    return Files(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in SHARED.keys() & getattr(item, "fixturenames", ()):
            if file_of(item.nodeid) not in SHARED[name]:
                raise pytest.UsageError(f"{file_of(item.nodeid)} uses {name}: add it in tests/conftest.py")
    order = {file: i for i, file in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(file_of(item.nodeid), len(order)))


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
