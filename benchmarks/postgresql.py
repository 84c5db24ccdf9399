"""A private PostgreSQL server, for tests and benchmarks of a team's MLflow server."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Where Debian puts the server's programs, which are not on the PATH there; elsewhere they are.
FOLDERS = os.pathsep.join(
    [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))[::-1]), os.environ["PATH"]]
)


def installed() -> bool:
    """Whether the server's programs are on this machine."""
    return all(shutil.which(name, path=FOLDERS) for name in ("initdb", "postgres", "pg_isready"))


@contextmanager
def running() -> Iterator[str]:
    """Its URI for SQLAlchemy: a socket in a folder, in reach from every network namespace of this machine."""
    initdb, postgres, is_ready = (
        shutil.which(name, path=FOLDERS) or name for name in ("initdb", "postgres", "pg_isready")
    )
    user = None
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = next((u.pw_name for u in pwd.getpwall() if u.pw_name in ("postgres", "nobody")), None)
    # Of its own, since other users can't enter pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    initialise = [initdb, "--pgdata", str(data), "--username", "mlflow", "--auth", "trust", "--no-sync"]
    subprocess.run(initialise, user=user, check=True, capture_output=True, cwd=folder)
    process = subprocess.Popen(
        [postgres, "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        user=user,
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            if subprocess.run([is_ready, "-h", folder], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        else:
            raise RuntimeError("PostgreSQL did not start")
        yield f"postgresql+psycopg2://mlflow@/postgres?host={folder}"
    finally:
        process.send_signal(signal.SIGINT)  # its fast shutdown, which waits for no client
        process.wait(60)
        shutil.rmtree(folder)
