"""Fail if `dvc.lock` is not of this code and these parameters: what it records was then made by others.

    python scripts/check_lock.py

Unlike `dvc status` it needs no data: what a clone does not have may be missing. CI runs it (.ci/run).
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ABSENT = ("deleted", "not in cache")  # to be had by `dvc pull`, or made anew


def main() -> None:
    """Print what is stale, and what to do; exit status 1 if anything is."""
    found = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=False)
    if found.returncode:
        sys.exit(found.stderr.strip())
    stale = changed(json.loads(found.stdout)) + disagreeing(yaml.safe_load(Path("dvc.lock").read_text()))
    if stale:
        advice = "run `dvc repro`, or `dvc commit` where the outputs stay what they were, and commit dvc.lock"
        sys.exit("\n".join(["dvc.lock is stale:", *stale, advice]))


def changed(status: dict[str, list[Any]]) -> list[str]:
    """The stages of `dvc status --json` that changed, each with what changed."""
    lines = []
    for stage, reasons in status.items():
        for reason in reasons:
            if isinstance(reason, dict):
                entries = [entry for group in reason.values() for entry in _entries(group)]
                lines += [f"  {stage}: {path}: {state}" for path, state in entries if state not in ABSENT]
            elif reason != "always changed":
                lines.append(f"  {stage}: {reason}")
    return lines


def _entries(group: dict[str, Any]) -> list[tuple[str, str]]:
    """Paths or parameters and their states; parameters stand one level deeper, under their file."""
    return [
        pair
        for name, state in group.items()
        for pair in (state.items() if isinstance(state, dict) else [(name, state)])
    ]


def disagreeing(lock: dict[str, Any]) -> list[str]:
    """The stages that read another version of a file than the stage that made it wrote."""
    stages = lock["stages"]
    made = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}
    return [
        f"  {name}: {dep['path']}: made anew since"
        for name, stage in stages.items()
        for dep in stage.get("deps", [])
        if made.get(dep["path"], dep["md5"]) != dep["md5"]
    ]


if __name__ == "__main__":
    main()
