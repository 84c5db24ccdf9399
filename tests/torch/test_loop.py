import math

import pytest
import torch

from fsrcnn.errors import InputError
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import TrainSettings
from fsrcnn.torch.loop import fit
from fsrcnn.training.loading import TrainingData

CPU = torch.device("cpu")
REFERENCE = {
    "optimizer": "adam",
    "learning_rate": 0.001,
    "deconvolution_lr_factor": 0.1,
    "weight_decay": 0.0,
    "loss": "mse",
    "schedule": "constant",
    "warmup_steps": 0,
    "sampling": "patches",
    "crop": 12,
    "batch_size": 16,
    "epochs": 1,
    "steps_per_epoch": None,
    "ema_decay": 0.0,
    "validation_share": 0.0,
    "precision": "float32",
    "compile": False,
}


def settings(**changes: object) -> TrainSettings:
    return TrainSettings.parse("train", REFERENCE | changes)


def train(data: TrainingData, seed: int = 1, **changes: object):
    torch.manual_seed(seed)
    network = FSRCNN(4)
    return network, fit(network, data, settings(**changes), device=CPU, seed=seed)


CROPS = {"sampling": "crops", "learning_rate": 0.003, "deconvolution_lr_factor": 1.0, "steps_per_epoch": 40}


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_improves_on_held_out_photographs(data, optimizer, precision):
    _, curve = train(data, optimizer=optimizer, precision=precision, epochs=3, **CROPS)
    assert [row.epoch for row in curve] == [1, 2, 3]
    assert curve[-1].validation_psnr > curve[0].validation_psnr + 1
    assert curve[-1].loss < curve[0].loss


def test_an_epoch_is_one_pass_over_the_patches(data):
    _, curve = train(data, batch_size=64)
    assert curve[0].step == len(data.pool.grid()) // 64


def test_first_adam_step_is_the_references(data):
    # Adam's first step moves every weight by its learning rate against the gradient's sign.
    torch.manual_seed(1)
    before = FSRCNN(4)
    after, _ = train(data, steps_per_epoch=1)
    moved = dict(before.named_parameters())
    for name, parameter in after.named_parameters():
        step = (parameter.detach() - moved[name].detach()).abs()
        rate = 1e-4 if name.startswith("deconvolution") else 1e-3
        assert step.max().item() == pytest.approx(rate, rel=1e-2), name


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_a_step_takes_its_share_of_the_weights(data, optimizer):
    kept, _ = train(data, optimizer=optimizer, steps_per_epoch=1)
    decayed, _ = train(data, optimizer=optimizer, steps_per_epoch=1, weight_decay=0.5)
    for (name, a), b in zip(kept.named_parameters(), decayed.parameters(), strict=True):
        rate = 1e-4 if name.startswith("deconvolution") else 1e-3
        expected = a * (1 - rate * 0.5) if a.dim() > 1 else a
        assert torch.allclose(b, expected, rtol=1e-6, atol=0), name
    assert sum(a.dim() > 1 for a in kept.parameters()) == 8  # the layers


@pytest.mark.parametrize(
    "changes", [{}, {"optimizer": "soap", "ema_decay": 0.9, **CROPS, "steps_per_epoch": 5}]
)
def test_same_seed_gives_the_same_weights(data, changes):
    changes = {"steps_per_epoch": 5} | changes
    (a, _), (b, _), (c, _) = (train(data, seed, **changes) for seed in (1, 1, 2))
    for x, y, z in zip(a.parameters(), b.parameters(), c.parameters(), strict=True):
        assert torch.equal(x, y)
        assert not torch.equal(x, z) or (x == 0).all()


def test_averaged_weights_lag_behind(data):
    last, _ = train(data, steps_per_epoch=64)
    averaged, _ = train(data, steps_per_epoch=64, ema_decay=0.99)
    torch.manual_seed(1)
    start = FSRCNN(4)
    weight = "shrinking.0.weight"
    lag = (averaged.state_dict()[weight] - start.state_dict()[weight]).norm()
    assert 0 < lag < (last.state_dict()[weight] - start.state_dict()[weight]).norm()


def test_divergence_is_an_error(data):
    data.pool.hr[:] = math.inf
    with pytest.raises(InputError, match=r"training diverged: loss (inf|nan) at step 1, learning rate 0.001"):
        train(data, steps_per_epoch=2, epochs=3)


def test_too_large_a_batch_is_an_error(data):
    with pytest.raises(InputError, match=r"train\.batch_size: 1000000 is more than all patches"):
        train(data, batch_size=1_000_000)


def test_compiled_training_takes_the_same_steps(data):
    plain, _ = train(data, steps_per_epoch=3)
    compiled, _ = train(data, steps_per_epoch=3, compile=True)
    for a, b in zip(plain.parameters(), compiled.parameters(), strict=True):
        # Adam's first steps are sign-like, so a gradient near zero may flip: compare most, not all.
        close = torch.isclose(a, b, atol=1e-5).float().mean()
        assert close > 0.97


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", -1),
        ("epochs", 1.5),
        ("optimizer", "sgd"),
        ("learning_rate", 0.0),
        ("ema_decay", 1.0),
        ("weight_decay", -0.1),
        ("batch_size", "16"),
        ("compile", "yes"),
        ("learning_rate", math.nan),
        ("unknown", 1),
    ],
)
def test_settings_refuse(key, value):
    with pytest.raises(InputError, match=rf"^params.yaml: train\.{key}: ") as caught:
        settings(**{key: value})
    assert "\n" not in str(caught.value)


def test_missing_setting_is_named():
    values = {key: value for key, value in REFERENCE.items() if key != "crop"}
    with pytest.raises(InputError, match=r"train\.crop: Field required"):
        TrainSettings.parse("train", values)
