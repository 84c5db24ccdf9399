"""What a clone gets without training: the networks of the committed lock, out of the repository itself."""

import hashlib

import yaml
from PIL import Image

from fsrcnn.network import weights
from tests.project import ROOT, Project


def test_a_clone_pulls_the_released_networks(tmp_path):
    clone = Project.new(tmp_path, {})
    lock = (ROOT / "dvc.lock").read_text()
    (tmp_path / "dvc.lock").write_text(lock)
    clone.dvc("pull", "--allow-missing")
    stages = yaml.safe_load(lock)["stages"]
    for stage in ("train@4", "train@3", "finetune"):
        for out in stages[stage]["outs"]:
            content = (tmp_path / out["path"]).read_bytes()
            assert hashlib.md5(content).hexdigest() == out["md5"]
    assert weights.load(tmp_path / "models/x4/scratch.safetensors").scale == 4
    with Image.open(tmp_path / "plots/comparison.png") as picture:
        picture.load()
