import time

import numpy as np
import pytest
import torch

from fsrcnn.errors import InputError
from fsrcnn.evaluation.latency import measure, time_calls
from fsrcnn.network.model import FSRCNN
from fsrcnn.settings import BenchmarkSettings

SETTINGS = {"batch_size": 2, "height": 8, "width": 6, "warmup": 3, "iterations": 20, "frames": 1}
CPU = torch.device("cpu")
BATCH = torch.rand(1)


def test_warm_up_calls_are_not_counted():
    calls = []
    times = time_calls({"a": lambda _: calls.append(time.sleep(0.002))}, BATCH, 3, 5, CPU)
    assert len(calls) == 8
    assert times["a"].shape == (5,)
    assert (times["a"] >= 0.002).all()


def test_every_call_waits_for_the_device(monkeypatch):
    events = []
    monkeypatch.setattr("fsrcnn.evaluation.latency.synchronize", lambda _: events.append("wait"))
    time_calls({"a": lambda _: events.append("call")}, BATCH, 1, 2, CPU)
    assert events == ["wait", "call", "wait"] * 3


def test_calls_take_turns(monkeypatch):
    monkeypatch.setattr("fsrcnn.evaluation.latency.ROUND", 2)
    order = []
    time_calls({"a": lambda _: order.append("a"), "b": lambda _: order.append("b")}, BATCH, 1, 3, CPU)
    assert "".join(order) == "ab" + "aabb" + "ab"


def test_report(monkeypatch):
    network = FSRCNN(4)
    seconds = {"plain": np.arange(1, 102) / 1000, "eager": np.arange(1, 102) / 2000}
    monkeypatch.setattr("fsrcnn.evaluation.latency.time_calls", lambda *_: dict(seconds))
    monkeypatch.setattr("fsrcnn.evaluation.latency.sgemm_rate", lambda _: 2 * 12_464 * 96 / 0.0051)
    monkeypatch.setattr("fsrcnn.inference.backends.available", lambda besides: ("eager",))
    report = measure(network, BenchmarkSettings.parse("benchmark", SETTINGS), CPU)
    assert report["latency_ms"] == {"median": 51.0, "p5": 6.0, "p95": 96.0, "min": 1.0}
    assert (report["floor_ms"], report["sgemm_share"], report["frames_per_second"]) == (5.1, 0.1, 19.61)
    assert report["backends"] == {
        "eager": {
            "speedup": 2.0,
            "latency_ms": {"median": 25.5, "p5": 3.0, "p95": 48.0, "min": 0.5},
            "sgemm_share": 0.2,
            "frames_per_second": 39.22,
        }
    }
    assert report["input_shape"] == [2, 1, 8, 6]
    assert (report["device"], report["scale"], report["batch_size"]) == ("cpu", 4, 2)
    assert report["threads"] == torch.get_num_threads()


@pytest.mark.parametrize("bad", [{"iterations": 0}, {"warmup": -1}, {"batch_size": 2.5}, {"extra": 1}])
def test_settings_refuse(bad):
    with pytest.raises(InputError, match=rf"benchmark\.{next(iter(bad))}"):
        BenchmarkSettings.parse("benchmark", SETTINGS | bad)
