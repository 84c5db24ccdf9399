import itertools
import signal
from pathlib import Path

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from fsrcnn.errors import InputError
from fsrcnn.network.model import FSRCNN
from fsrcnn.torch.interrupts import Interrupts
from fsrcnn.torch.loop import fit
from fsrcnn.torch.resume import TrainingState
from fsrcnn.torch.workers import Workers
from tests.torch.test_loop import CPU, CROPS, settings

RUN = CROPS | {"optimizer": "soap", "ema_decay": 0.9, "epochs": 3, "steps_per_epoch": 10}


def train(data, state=None, on_epoch=lambda _: None, **changes):
    torch.manual_seed(1)
    network = FSRCNN(4)
    values = settings(**(RUN | changes))
    return network, fit(network, data, values, device=CPU, seed=1, state=state, on_epoch=on_epoch)


def without_seconds(curve):
    return [row._replace(seconds=0) for row in curve]


def interrupt_at(monkeypatch, owner, method, step):
    """Make the call of `step`, counted from 1, begin with a Ctrl-C."""
    original = getattr(owner, method)
    calls = itertools.count(1)

    def call(*args, **kwargs):
        if next(calls) == step:
            signal.raise_signal(signal.SIGINT)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, method, call)


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": "adam", "sampling": "patches"}, {"precision": "bfloat16"}],
)
@pytest.mark.parametrize(
    ("where", "stopped_after"),
    [
        ((Workers, "average_gradients", 11), 10),  # between two epochs
        ((Workers, "average_gradients", 14), 13),  # the step is not begun
        ((AveragedModel, "update_parameters", 2), 10),  # held until the step is done
    ],
)
def test_an_interrupted_training_ends_with_the_same_weights(
    data, tmp_path, monkeypatch, changes, where, stopped_after
):
    whole, curve = train(data, **changes)
    state = TrainingState(tmp_path / "state", {"seed": 1})
    with monkeypatch.context() as patch:
        interrupt_at(patch, *where)
        with pytest.raises(KeyboardInterrupt, match=rf"after step {stopped_after} of \d+; run it again"):
            train(data, state, **changes)
    resumed, resumed_curve = train(data, state, **changes)
    assert without_seconds(resumed_curve) == without_seconds(curve)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_the_last_good_state_survives_divergence(data, tmp_path):
    state = TrainingState(tmp_path / "state", {})

    def spoil(row):
        data.pool.hr[:] = torch.nan

    with pytest.raises(InputError, match=r"training diverged: loss nan at step 11, learning rate 0\.00"):
        train(data, state, spoil)
    saved = state.load()
    assert saved is not None and saved["step"] == 10
    assert all(torch.isfinite(value).all() for value in saved["network"].values())


def test_a_state_of_another_training_is_not_used(tmp_path):
    path = tmp_path / "state"
    TrainingState(path, {"seed": 1}).save({"step": 3})
    assert TrainingState(path, {"seed": 1}).load() == {"step": 3}
    assert TrainingState(path, {"seed": 2}).load() is None


class Planted:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("content", [b"", b"\x80\x04junk", b"PK\x03\x04 cut off"])
def test_a_damaged_state_is_not_used(tmp_path, content):
    path = tmp_path / "state"
    path.write_bytes(content)
    assert TrainingState(path, {}).load() is None


def test_a_planted_pickle_is_not_run(tmp_path):
    path = tmp_path / "state"
    torch.save({"identity": Planted(tmp_path / "ran"), "state": {}}, path)
    assert TrainingState(path, {}).load() is None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_a_step(number):
    done = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts, interrupts.held:
        signal.raise_signal(number)
        done.append("step")
    assert done == ["step"]


def test_signals_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
