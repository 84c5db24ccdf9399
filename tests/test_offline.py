"""Nothing is fetched, and nobody is called, when a module is imported."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PROGRAM = """
import importlib, importlib.util, pkgutil, sys

def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
        raise SystemExit(f"{event} {arguments}")

sys.addaudithook(refuse)
import fsrcnn
names = [module.name for module in pkgutil.walk_packages(fsrcnn.__path__, "fsrcnn.")]
names += [module.name for module in pkgutil.iter_modules(["pipeline"])]
if importlib.util.find_spec("mindspore") is None:  # an extra
    names = [name for name in names if "mindspore" not in name]
sys.path.insert(0, "pipeline")
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_no_network_at_import():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 20
