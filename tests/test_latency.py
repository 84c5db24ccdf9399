import time

import numpy as np
import pytest
import torch

from fsrcnn.errors import InputError
from fsrcnn.latency import BenchmarkSettings, measure, time_calls
from fsrcnn.model import FSRCNN

SETTINGS = {"batch_size": 2, "height": 8, "width": 6, "warmup": 3, "iterations": 20}
CPU = torch.device("cpu")


def test_warm_up_calls_are_not_counted():
    calls = []
    times = time_calls(lambda: calls.append(time.sleep(0.002)), 3, 5, CPU)
    assert len(calls) == 8
    assert times.shape == (5,)
    assert (times >= 0.002).all()


def test_every_call_waits_for_the_device(monkeypatch):
    events = []
    monkeypatch.setattr("fsrcnn.latency.synchronize", lambda _: events.append("wait"))
    time_calls(lambda: events.append("call"), 1, 2, CPU)
    assert events == ["wait", "call", "wait"] * 3


def test_report(monkeypatch):
    monkeypatch.setattr("fsrcnn.latency.time_calls", lambda *_: np.arange(1, 102) / 1000)
    report = measure(FSRCNN(4), BenchmarkSettings.parse("benchmark", SETTINGS), CPU)
    assert report["latency_ms"] == {"median": 51.0, "p5": 6.0, "p95": 96.0, "min": 1.0}
    assert report["input_shape"] == [2, 1, 8, 6]
    assert (report["device"], report["scale"], report["batch_size"]) == ("cpu", 4, 2)
    assert report["threads"] == torch.get_num_threads()


@pytest.mark.parametrize("bad", [{"iterations": 0}, {"warmup": -1}, {"batch_size": 2.5}, {"extra": 1}])
def test_settings_refuse(bad):
    with pytest.raises(InputError, match=rf"benchmark\.{next(iter(bad))}"):
        BenchmarkSettings.parse("benchmark", SETTINGS | bad)
