"""MindSpore beside PyTorch; needs the environment that `make mindspore` makes."""

import importlib.util
import math

import pytest
import torch
import yaml

from fsrcnn import device
from fsrcnn.errors import InputError
from fsrcnn.evaluation.latency import measure
from fsrcnn.network import checkpoint
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import BenchmarkSettings
from fsrcnn.training.transfer import transfer
from tests.evaluation.test_latency import SETTINGS as BENCHMARK
from tests.project import Project
from tests.torch.test_loop import settings

if importlib.util.find_spec("mindspore") is None:
    pytest.skip("MindSpore is not installed; `make mindspore` makes its environment", allow_module_level=True)

# MindSpore is bound to its device once in a process, before it is used.
WHERE = device.choose("cpu", "mindspore")

from fsrcnn.mindspore import loop as mindspore_training  # noqa: E402
from fsrcnn.mindspore import network as mindspore_model  # noqa: E402


def random_network(scale: int, m: int = 4) -> FSRCNN:
    """A network that no part of is zero, the borders of its output included."""
    network = FSRCNN(scale, m=m)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return network


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("m", [0, 4])
def test_same_input_same_output(scale, m):
    network = random_network(scale, m)
    y = torch.rand(2, 1, 11, 8)
    with torch.no_grad():
        expected = network(y)
    cell = mindspore_model.from_torch(network)
    torch.testing.assert_close(mindspore_model.on_tensors(cell)(y), expected, atol=1e-4, rtol=0)


def test_weights_cross_over_both_ways(tmp_path):
    network = random_network(4)
    checkpoint.save(network, tmp_path / "torch.safetensors", {})
    cell = mindspore_model.from_torch(checkpoint.load(tmp_path / "torch.safetensors"))
    back = FSRCNN(4)
    mindspore_model.copy_to(cell, back)
    checkpoint.save(back, tmp_path / "mindspore.safetensors", {})
    contents = [(tmp_path / f"{name}.safetensors").read_bytes() for name in ("torch", "mindspore")]
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    "changes", [{}, {"sampling": "crops", "schedule": "cosine", "warmup_steps": 3, "learning_rate": 0.003}]
)
def test_training_follows_that_of_torch(data, changes):
    from fsrcnn.torch import loop

    changes = {"steps_per_epoch": 15, "epochs": 2, **changes}
    curves = []
    for fit, where in ((loop.fit, torch.device("cpu")), (mindspore_training.fit, WHERE)):
        torch.manual_seed(1)
        curves.append(fit(FSRCNN(4), data, settings(**changes), device=where, seed=1))
    for theirs, ours in zip(*curves, strict=True):
        assert (ours.epoch, ours.step) == (theirs.epoch, theirs.step)
        assert ours.learning_rate == pytest.approx(theirs.learning_rate)
        assert ours.loss == pytest.approx(theirs.loss, rel=0.1)
        assert ours.validation_psnr == pytest.approx(theirs.validation_psnr, abs=0.5)
    assert curves[1][1].loss < curves[1][0].loss


def test_frozen_parameters_stay(data):
    network = transfer(random_network(3), 4)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    mindspore_training.fit(network, data, settings(steps_per_epoch=3), device=WHERE, seed=1)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"deconvolution.weight", "deconvolution.bias"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer", "soap"),
        ("loss", "rmse"),
        ("precision", "bfloat16"),
        ("ema_decay", 0.9),
        ("weight_decay", 0.5),
    ],
)
def test_settings_it_lacks_are_refused(key, value):
    with pytest.raises(InputError, match=f"reference: {key} is {value}; with framework mindspore") as caught:
        mindspore_training.check(settings(**{key: value}))
    assert "\n" not in str(caught.value)


def test_divergence_is_an_error(data):
    data.pool.hr[:] = math.inf
    with pytest.raises(InputError, match=r"training diverged: loss (inf|nan) at step 1, learning rate 0.001"):
        mindspore_training.fit(FSRCNN(4), data, settings(steps_per_epoch=2), device=WHERE, seed=1)


def test_benchmark_has_the_same_keys():
    values = BenchmarkSettings.parse("benchmark", BENCHMARK)
    ours, theirs = (measure(FSRCNN(4), values, where) for where in (WHERE, torch.device("cpu")))
    assert ours.keys() == theirs.keys()
    assert (ours["framework"], ours["backends"]) == ("mindspore", {})
    assert ours["latency_ms"]["median"] > 0


def test_pipeline(tmp_path):
    project = Project.new(tmp_path)
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    params |= {"framework": "mindspore", "recipe": "reference"}
    params["recipes"]["reference"]["train"] |= {"epochs": 1, "steps_per_epoch": 5, "batch_size": 4}
    params["recipes"]["reference"]["finetune"]["epochs"] = 1
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    project.dvc("repro")
    assert project.metrics("benchmark")["framework"] == "mindspore"
    assert set(project.metrics("evaluate")["sample"]["reference"]) == {"bicubic", "scratch", "transfer"}
    for run in project.runs().values():
        assert run.data.params["framework"] == "mindspore"
        assert run.data.tags["recipe"] == "mindspore adam patches"
