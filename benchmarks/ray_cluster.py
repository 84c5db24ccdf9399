"""Ray's own test cluster: several nodes on this machine, in a network namespace that nobody else is in.

    with running(nodes=3) as cluster:
        cluster.run("fsrcnn", "upscale", "in", "-o", "out", "--ray", cluster.address)

The first node has no cores, as is usual, and the commands run there; every other has one. Ray listens on all
interfaces, whatever address it is told; in the namespace there is none but its own loopback. Linux alone has
them, and in some containers they are forbidden: see `possible`.
"""

import fcntl
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

ROOT = os.name == "posix" and os.geteuid() == 0
ENCLOSE = ("unshare", "--net") if ROOT else ("unshare", "--net", "--map-root-user")
ENTER = ("nsenter", "--net") if ROOT else ("nsenter", "--net", "--user", "--preserve-credentials")
SIOCSIFFLAGS = 0x8914
UP = 0x41  # IFF_UP and IFF_RUNNING
STARTS = 3  # Ray gives up on a node after 30 s, which are too few on a machine that is busy
OBJECTS = 80 * 2**20  # bytes of each node's object store, of which upscaling needs next to nothing


class Cluster(NamedTuple):
    """A cluster that runs in another process."""

    address: str
    process: "subprocess.Popen[str]"

    def command(self, *arguments: object) -> list[str]:
        """The command as it runs beside the cluster."""
        return [*ENTER, f"--target={self.process.pid}", *map(str, arguments)]

    def run(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run a command beside the cluster; what it writes is captured."""
        return subprocess.run(self.command(*arguments), capture_output=True, text=True)

    def replace_node(self) -> None:
        """Kill a node, whichever, with all its processes; another one joins. Returns when it has."""
        self._ask("replace")

    def _ask(self, words: str) -> None:
        assert self.process.stdin and self.process.stdout
        print(words, file=self.process.stdin, flush=True)
        self.process.stdout.readline()


def possible() -> bool:
    """Whether this machine lets us make network namespaces."""
    if not (shutil.which(ENCLOSE[0]) and shutil.which(ENTER[0])):
        return False
    return subprocess.run([*ENCLOSE, "true"], capture_output=True).returncode == 0


@contextmanager
def running(nodes: int) -> Iterator[Cluster]:
    """A cluster of so many nodes of one core each, beside the first one."""
    cluster = _started(nodes)
    try:
        yield cluster
    finally:
        cluster.process.communicate()  # the end of its stdin ends it


def _started(nodes: int) -> Cluster:
    command = [*ENCLOSE, sys.executable, __file__, str(nodes)]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    for _ in range(STARTS):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        assert process.stdout
        if address := process.stdout.readline().strip():
            return Cluster(address, process)
        process.communicate()
    raise RuntimeError("the Ray cluster did not start")


def _main(nodes: int) -> None:
    """In the namespace: start the cluster, tell its address, and do what stdin says until it ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", UP))
    import psutil
    from ray.cluster_utils import Cluster as Nodes

    cluster = Nodes(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": OBJECTS})
    for _ in range(nodes):
        cluster.add_node(num_cpus=1, object_store_memory=OBJECTS)
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        node = random.choice(sorted(cluster.worker_nodes, key=lambda node: node.node_id))
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        for process in (raylet, *raylet.children(recursive=True)):
            process.kill()
        cluster.remove_node(node, allow_graceful=False)
        cluster.add_node(num_cpus=1, object_store_memory=OBJECTS)
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
