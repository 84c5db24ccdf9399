"""Experiments on a Ray cluster, each a job of cluster/experiment.sh.

    python cluster/ray_jobs.py GIT_URL COMMIT < experiments.txt

A line is what the script takes after the commit: a name, and arguments of `dvc exp run`. RAY_ADDRESS names
the cluster, MLFLOW_TRACKING_URI the server. A job whose worker or node dies is given to another; an
experiment that fails is not.
"""

import argparse
import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path

import ray

SCRIPT = Path(__file__).with_name("experiment.sh")
RETRIES = 3  # a job that kills its worker must not go round for ever
TAIL = 3000  # characters of what a failed job wrote


@ray.remote(max_retries=RETRIES, retry_exceptions=False)
def job(script: str, arguments: list[str], tracking_uri: str) -> tuple[int, str]:
    """Run the script here; returns its exit status and the end of what it wrote."""
    done = subprocess.run(
        ["bash", "-c", script, SCRIPT.name, *arguments],
        env={**os.environ, "MLFLOW_TRACKING_URI": tracking_uri},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return done.returncode, done.stdout[-TAIL:]


def main() -> None:
    """Run all experiments; say how each ended, and exit with 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("git_url", help="as all nodes reach it")
    parser.add_argument("commit")
    parser.add_argument("--cpus", type=int, default=1, help="cores of a job; default: %(default)s")
    parser.add_argument("--gpus", type=int, default=0, help="graphics processors of a job; default: none")
    options = parser.parse_args()
    experiments = [words for line in sys.stdin if (words := shlex.split(line, comments=True))]
    ray.init("auto", log_to_driver=False, logging_level=logging.ERROR)
    give = job.options(num_cpus=options.cpus, num_gpus=options.gpus)
    script, tracking_uri = SCRIPT.read_text(), os.environ["MLFLOW_TRACKING_URI"]
    given = {
        give.remote(script, [options.git_url, options.commit, *words], tracking_uri): words[0]
        for words in experiments
    }
    failed = 0
    while given:
        (done,), _ = ray.wait(list(given))
        name = given.pop(done)
        try:
            status, written = ray.get(done)
        except ray.exceptions.RayError as error:  # its worker died once more than RETRIES
            status, written = 1, str(error)
        print(f"{name}: pushed" if status == 0 else f"{name}: failed\n{written}", flush=True)
        failed += status != 0
    if failed:
        sys.exit(f"{failed} of {len(experiments)} experiments failed")


if __name__ == "__main__":
    main()
