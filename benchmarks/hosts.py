"""Training shared by two hosts, through gloo: the same weights where one dies half-way and comes back.

    python benchmarks/hosts.py

The hosts are network namespaces of this machine with addresses of their own, that see one file system. Needs
root, Linux's `ip`, and a Git repository in which this is committed.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from fsrcnn.files import sha256
from fsrcnn.system import processor_name, usable_cores

ROOT = Path(__file__).resolve().parents[1]
HOSTS = {f"fsrcnn-{os.getpid()}-{number}": f"10.77.0.{number}" for number in (1, 2)}
FIRST, SECOND = HOSTS
LINK = "veth0"  # what each calls its end of the cable
PARAMS = {"epochs": 3, "steps_per_epoch": 40, "batch_size": 4, "warmup_steps": 5, "validation_share": 0.2}
STAGE = ("pipeline/train.py", "--scale", "4")
STATE, WEIGHTS = Path("models/x4/scratch.state"), Path("models/x4/scratch.safetensors")


def ip(*arguments: str) -> str:
    """What `ip` prints."""
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@contextmanager
def network() -> Iterator[None]:
    """Two hosts and a cable."""
    try:
        for host in HOSTS:
            ip("netns", "add", host)
        ip("link", "add", LINK, "netns", FIRST, "type", "veth", "peer", "name", LINK, "netns", SECOND)
        for host, address in HOSTS.items():
            ip("-n", host, "address", "add", f"{address}/24", "dev", LINK)
            for device in ("lo", LINK):
                ip("-n", host, "link", "set", device, "up")
        yield
    finally:
        for host in ip("netns", "list").split():
            if host in HOSTS:
                kill(host)
                ip("netns", "delete", host)


def possible() -> bool:
    """Whether this machine lets us make them: as root, with Debian's iproute2."""
    try:
        with network():
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def kill(host: str) -> None:
    """End all that runs there."""
    for pid in ip("netns", "pids", host).split():
        os.kill(int(pid), signal.SIGKILL)


def start(
    host: str,
    folder: Path,
    *program: str,
    launcher: tuple[str, ...] = ("-m", "torch.distributed.run"),
    conf: str = "",
) -> "subprocess.Popen[bytes]":
    """What a person starts on each host, once more on one that came back: `program`, in `folder`.

    `launcher` takes torchrun's options, `conf` is more of --rdzv-conf. What is said is added to a file beside
    the folder.
    """
    torchrun = (sys.executable, *launcher, "--nnodes=2", "--nproc-per-node=1")
    meeting = (
        f"--rdzv-endpoint={HOSTS[FIRST]}:29500",
        "--rdzv-backend=c10d",
        # Else it goes by the machine's name, which both share.
        f"--rdzv-conf=is_host={int(host == FIRST)}{conf and ','}{conf}",
        "--max-restarts=1",
    )
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": LINK, "OMP_NUM_THREADS": "1"}
    # Else torch 2.13 tells the address of its store in the first round alone: who comes later waits in vain.
    environment["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    with (folder.parent / f"{host}.log").open("ab") as log:
        return subprocess.Popen(
            ["ip", "netns", "exec", host, *torchrun, *meeting, f"--local-addr={HOSTS[host]}", *program],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )


def train(folder: Path, *, fault: bool) -> str:
    """The digest of the weights that both hosts make; with a fault, the second one dies on the way."""
    first, second = (start(host, folder, *STAGE) for host in HOSTS)
    if fault:
        while not (folder / STATE).exists():
            if first.poll() is not None:
                sys.exit("it ended before the host was killed")
            time.sleep(0.01)
        kill(SECOND)
        second.wait()
        second = start(SECOND, folder, *STAGE)
    if first.wait() or second.wait():
        sys.exit("".join(path.read_text() for path in folder.parent.glob("*.log")))
    return sha256(folder / WEIGHTS)


def main() -> None:
    """Print a Markdown table."""
    if not possible():
        sys.exit("network namespaces with a cable between them need root, and Debian's iproute2")
    with tempfile.TemporaryDirectory() as name, network():
        folder = Path(name) / "project"
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        path = folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        params["data"]["source"] = "sample"
        params["train"] |= {**PARAMS, "compile": False}
        path.write_text(yaml.safe_dump(params))
        subprocess.run([sys.executable, "pipeline/download.py", "--scale", "4"], cwd=folder, check=True)
        print(f"{processor_name()}, {usable_cores()} cores\n")
        print("| two hosts | s | SHA-256 of the weights |\n| --- | --- | --- |")
        digests = []
        for words, fault in (("undisturbed", False), ("one killed and started again", True)):
            begin = time.perf_counter()
            digests.append(train(folder, fault=fault))
            print(f"| {words} | {time.perf_counter() - begin:.0f} | {digests[-1][:12]} |", flush=True)
            (folder / WEIGHTS).unlink()
    if len(set(digests)) > 1:
        sys.exit("other weights")


if __name__ == "__main__":
    main()
