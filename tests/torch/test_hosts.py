"""Training on two hosts with addresses of their own, of which one dies and comes back."""

import json
import time
from pathlib import Path

import hosts
import pytest

from tests.torch.test_loop import CROPS, settings

SHORT = CROPS | {"optimizer": "soap", "ema_decay": 0.9, "batch_size": 4, "epochs": 3, "steps_per_epoch": 4}
LAUNCHER = (str(Path(__file__).with_name("shared_training.py")),)
SOON = "keep_alive_interval=1,keep_alive_max_attempt=2"  # seconds, and of them, until a host counts as dead


def test_a_host_that_dies_and_comes_back_leaves_no_trace_in_the_weights(tmp_path, monkeypatch):
    if not hosts.possible():
        pytest.skip("no network namespaces here, or no ip; apt-get install iproute2, as root")
    monkeypatch.setenv("PYTHON_CPU_COUNT", "1")  # threads that wait for each other take as long again
    folder = tmp_path / "shared"
    folder.mkdir()

    def start(host):
        program = (str(folder), host, settings(**SHORT).model_dump_json())
        return hosts.start(host, folder, *program, launcher=LAUNCHER, conf=SOON)

    def logs():
        return "".join(path.read_text() for path in tmp_path.glob("*.log"))

    (folder / f"{hosts.SECOND}.waits").touch()
    with hosts.network():
        first, second = map(start, hosts.HOSTS)
        deadline = time.monotonic() + 120
        while not ((folder / f"{hosts.SECOND}.waiting").exists() and (folder / "state").exists()):
            assert first.poll() is None and time.monotonic() < deadline, logs()
            time.sleep(0.05)
        hosts.kill(hosts.SECOND)
        second.wait()
        second = start(hosts.SECOND)
        assert (first.wait(120), second.wait(120)) == (0, 0), logs()
    found = [json.loads((folder / f"{host}.json").read_text()) for host in hosts.HOSTS]
    assert [epochs for epochs, _ in found] == [[2, 3, 1, 2, 3]] * 2
    assert len({digest for _, digests in found for digest in digests}) == 1
