"""MLflow tracking: the one module that the stages talk to about runs, their models and metrics.

Call `connect` once at the start of a stage; then `training_run` records a training, `add_to_run` adds
the results of a later stage to the run that made the weights, and `promote` enters them in the
registry. All go to a record on disk first. A run is known by the SHA-256 of its weights (tag
`weights_sha256`), so that a stage needs the weights file and nothing else.
"""

import logging
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow

from fsrcnn import files
from fsrcnn.tracking import store
from fsrcnn.tracking.record import FAILED, FINISHED, KILLED, RUNNING, Candidate, Dataset, Record, unheld
from fsrcnn.tracking.store import UNREACHABLE, one_line, refusal
from fsrcnn.tracking.sync import NOTE, sync

log = logging.getLogger(__name__)

PAUSE = 60  # seconds that a training goes on before it tries again a store that did not answer
LATER = "MLflow does not answer; `python scripts/send_tracking.py` sends later what is missing: %s"
_records = Path("records")


class Run:
    """A training's run that `training_run` keeps open.

    If the store does not answer, a warning says so, and it is tried again: at most once in `PAUSE`
    seconds while training, and then by `connect`.
    """

    def __init__(self, record: Record) -> None:
        assert record.run_id
        self.id = record.run_id
        self.record = record
        self._pause_until = 0.0

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values of one step; a step that was logged before keeps what it has."""
        if not self.record.add_metrics(step, values):
            return
        self.record.save()
        if time.monotonic() < self._pause_until:
            return
        try:
            if not sync(self.record):
                self._pause_until = float("inf")
        except UNREACHABLE as error:
            log.warning(LATER, one_line(error))
            self._pause_until = time.monotonic() + PAUSE

    def model(self, weights_path: Path) -> None:
        """Log a weights file as the run's model, at its end, for `mlflow.pyfunc.load_model`.

        The model carries a copy of this package, so it also loads where that is not installed.
        """
        self.record.add_files("model", [weights_path])
        self.record.weights_sha256 = files.sha256(weights_path)
        self.record.save()


def connect(root: Path) -> tuple[int, list[str]]:
    """Choose the store as `store.connect` does, and tell it what earlier stages could not.

    `root` is the root of the repository, with `records/`. Returns how many records the store did not
    take, and the runs whose training was interrupted and goes on when its stage is run again.
    """
    global _records
    store.connect(root)
    _records = root.resolve() / "records"
    unsent, resumable = 0, []
    for record in unheld(_records, store.address()):
        if record.resumable and not record.output.parent.exists():
            record.end(KILLED)  # its working copy is gone, as that of a queued experiment: it can't go on
        if not _settle(record):
            unsent += 1
        elif record.resumable and record.run_id:
            resumable.append(record.run_id)
    return unsent, resumable


@contextmanager
def training_run(
    name: str,
    *,
    output: Path,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    datasets: Sequence[Dataset] = (),
    description: str = "",
    source: Path | None = None,
    resume: bool = False,
) -> Iterator[Run]:
    """Record a training, which writes the weights file `output`, as a run, from start to end.

    With `resume`, the run of the interrupted training of the same `output` goes on, if there is one.
    `params` is flat. The name gets what tells the run from others: the name of the DVC experiment, else
    the commit; both are added to `tags`. `source` are weights that the training starts from: the run
    that made them, if the store has it, and this one are linked.

    If the body raises, the run ends as FAILED with the reason in the tag `failure`; if it is
    interrupted from the keyboard, as KILLED. Raises `InputError` if the run can't be started; a store
    that stops answering later stops nothing.
    """
    record = None
    try:
        for old in _interrupted(output):
            if resume and record is None and sync(old):
                record = old
            else:
                old.end(KILLED)
                _settle(old)
        if record is None:
            code = _code_tags()
            mark = code.get("dvc_experiment") or f"#{code.get('git_commit', '')[:7]}"
            origin = {"source_weights_sha256": files.sha256(source)} if source else {}
            output.parent.mkdir(parents=True, exist_ok=True)  # by which `connect` knows the working copy
            record = Record.create(
                _records,
                kind="training",
                store=store.address(),
                output=output.resolve(),
                name=f"{name} {mark}".removesuffix(" #"),
                params=dict(params),
                tags={**tags, **origin, **code, NOTE: description},
                datasets=list(datasets),
                resumable=True,
            )
        record.status, record.ended = RUNNING, None
        sync(record)
        mlflow.start_run(record.run_id, log_system_metrics=True)
    except UNREACHABLE as error:
        raise refusal(error) from None
    status = FINISHED
    try:
        yield Run(record)
    except KeyboardInterrupt:
        status = KILLED
        raise
    except BaseException as error:
        status = FAILED
        record.tags["failure"] = one_line(error)
        raise
    finally:
        record.end(status, resumable=status == KILLED)
        _settle(record)
        with suppress(*UNREACHABLE):
            mlflow.end_run(status)


def add_to_run(
    weights_path: Path,
    metrics: Mapping[str, float],
    figures: Sequence[Path] = (),
    datasets: Sequence[Dataset] = (),
    tags: Mapping[str, str] | None = None,
) -> None:
    """Add results to the latest run that logged these weights, and its metrics to their model.

    A metric that has the value already is not logged a second time. The run also gets a tag
    `dvc_experiment.<name>`, by which an experiment finds a network that came from DVC's cache. Without
    such a run, as with weights that come from another machine's cache, logs a warning: no run is made.
    """
    experiment = os.environ.get("DVC_EXP_NAME")
    used = {f"dvc_experiment.{experiment}": "used these weights"} if experiment else {}
    record = _of_weights("results", weights_path, tags={**(tags or {}), **used}, datasets=list(datasets))
    record.add_metrics(0, metrics)
    record.add_files("figures", figures)
    record.end(FINISHED)
    _settle(record)


def promote(weights_path: Path, candidate: Candidate) -> None:
    """Enter the model that has these weights in the registry, as `registry.register` says."""
    _settle(_of_weights("promotion", weights_path, candidate=candidate))


def versions() -> dict[str, str]:
    """Tags that name the versions of the libraries that decide figures."""
    return {f"version.{package}": version(package) for package in ("mlflow", "numpy", "torch")}


def _of_weights(kind: str, path: Path, **fields: Any) -> Record:  # noqa: ANN401  # of the record
    digest = files.sha256(path)
    return Record.create(
        _records, kind=kind, store=store.address(), output=path, weights_sha256=digest, **fields
    )


def _settle(record: Record) -> bool:
    """Tell MLflow and let go of the record; it stays if MLflow does not answer, or to be resumed."""
    try:
        if not sync(record):
            record.resumable = False
    except UNREACHABLE as error:
        log.warning(LATER, one_line(error))
        record.close()
        return False
    if record.resumable:
        record.save()
        record.close()
    else:
        record.remove()
    return True


def _interrupted(output: Path) -> Iterator[Record]:
    """The records of the trainings of `output` that were interrupted."""
    for record in unheld(_records, store.address()):
        if record.resumable and record.output == output.resolve():
            yield record
        else:
            record.close()


def _code_tags() -> dict[str, str]:
    """The commit, whether the code differs from it, and what DVC calls the experiment and stage."""
    names = {"dvc_experiment": "DVC_EXP_NAME", "dvc_stage": "DVC_STAGE"}
    tags = {tag: os.environ[name] for tag, name in names.items() if os.environ.get(name)}

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        tags["git_commit"] = git("rev-parse", "HEAD")
        # Only code counts: earlier stages change dvc.lock and metrics, and params are logged.
        changed = git("status", "--porcelain", "--", "*.py", "dvc.yaml")
        tags["git_dirty"] = "true" if changed else "false"
    except (OSError, subprocess.CalledProcessError):
        log.warning("not in a Git repository with a commit; the run does not name its code")
    return tags
