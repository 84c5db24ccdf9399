"""MLflow tracking: the one module that the stages talk to about runs, their models and metrics.

Call `connect` once at the start of a stage; then `training_run` records a training and `add_to_run`
adds the results of a later stage to the run that made the weights. A run is known by the SHA-256 of
its weights (tag `weights_sha256`), so that a stage needs the weights file and nothing else.
"""

import json
import logging
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
from mlflow import MlflowClient, MlflowException, entities

from fsrcnn import files
from fsrcnn.tracking import outbox, store
from fsrcnn.tracking.outbox import FAILED, FINISHED, KILLED, RUNNING, Candidate, Content, Entry
from fsrcnn.tracking.sending import find_run, logged_steps, send, send_results
from fsrcnn.tracking.store import UNREACHABLE, one_line, refusal

log = logging.getLogger(__name__)

DIGEST_LENGTH = 36  # hex digits; MLflow refuses a longer dataset digest
NOTE = "mlflow.note.content"  # the description of a run in the UI, in Markdown
PAUSE = 60  # seconds that a training goes on before it tries again a store that did not answer
_outbox = Path("outbox")
LATER = "MLflow does not answer; `python scripts/send_tracking.py` sends later what is missing: %s"


@dataclass(frozen=True)
class Dataset:
    """A data file that a run read.

    `source` says where the data came from: a link, or a path or name if there is none.
    """

    name: str
    path: Path
    sha256: str
    source: str
    context: str = "training"


class Pending(NamedTuple):
    """What is left in the outbox."""

    unsent: int  # entries that the store did not take
    resumable: list[str]  # runs whose training was interrupted and goes on when its stage is run again


class Run:
    """A run that `training_run` keeps open.

    What it is given is on disk before it is sent. If it can't be sent, a warning says so, and it is
    tried again later: at most once in `PAUSE` seconds while training, and then by `send_pending`.
    """

    def __init__(self, entry: Entry, arrived: set[tuple[str, int]] | None) -> None:
        assert entry.content.run_id
        self.id = entry.content.run_id
        self.entry = entry
        self._arrived = arrived  # metrics and steps that MLflow has; None: to be asked
        self._pause_until = 0.0

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values of one step; a step that was logged before keeps what it has."""
        self.entry.add_metrics(step, values)
        self._try_to_send()

    def figure(self, path: Path) -> None:
        """Store an image, or another file to look at, with the run."""
        self.entry.add_files("figures", [path])
        self._try_to_send()

    def model(self, weights_path: Path) -> None:
        """Log a weights file as the run's model, for `mlflow.pyfunc.load_model`.

        The model carries a copy of this package, so it also loads where that is not installed.
        """
        self.entry.add_files("model", [weights_path])
        self._try_to_send()

    def started_from(self, weights_path: Path) -> None:
        """Record that training started from these weights, with links to and from the run that made them.

        The links need that run to be in the same store; otherwise only the digest is recorded.
        """
        digest = files.sha256(weights_path)
        tags = self.entry.content.tags
        tags["source_weights_sha256"] = digest
        try:
            if source := find_run(digest):
                tags["source_run_id"] = source.info.run_id
                _add_sentence(tags, f"Started from the weights of {_link(source)}.")
                back = {NOTE: source.data.tags.get(NOTE, "")}
                _add_sentence(back, f"Transferred in {_link(MlflowClient().get_run(self.id))}.")
                MlflowClient().set_tag(source.info.run_id, NOTE, back[NOTE])
            else:
                log.warning("no MLflow run made %s; the run has no link to its source", weights_path)
        except UNREACHABLE as error:
            log.warning("MLflow: no link to the run that made %s: %s", weights_path, one_line(error))
        self._try_to_send()

    def end(self, status: str) -> None:
        """End the run; what has not arrived stays on disk. So does what a resumed training needs."""
        self.entry.end(status)
        with suppress(*UNREACHABLE):  # `_try_to_send` ends the run as well, and tells of the error
            mlflow.end_run(status)
        self._pause_until = 0.0
        if self._try_to_send() and status != KILLED:
            self.entry.remove()
        else:
            self.entry.close()

    def _try_to_send(self) -> bool:
        self.entry.save()
        if time.monotonic() < self._pause_until:
            return False
        try:
            if self._arrived is None:
                self._arrived = logged_steps(self.id, self.entry.content.metrics)
            send(self.entry, self.id, self._arrived)
        except UNREACHABLE as error:
            log.warning(LATER, one_line(error))
            self._arrived = None
            self._pause_until = time.monotonic() + PAUSE
            return False
        return True


def connect(root: Path) -> Pending:
    """Choose the store as `store.connect` does, and send it what earlier stages could not.

    `root` is the root of the repository, with the outbox. Returns what is left there.
    """
    global _outbox
    store.connect(root)
    _outbox = root.resolve() / "outbox"
    return send_pending()


def send_pending() -> Pending:
    """Send what earlier stages could not, and say what is left.

    An entry that can't be sent stays on disk, with a warning.
    """
    unsent, resumable = 0, []
    for entry in outbox.entries(_outbox):
        content = entry.content
        if content.store != store.address():
            entry.close()
            continue
        unfinished = content.status in (RUNNING, KILLED)
        if unfinished and content.output and not content.output.parent.exists():
            entry.end(KILLED)  # its working copy is gone, as that of a queued experiment: it can't go on
            unfinished = False
        try:
            if content.run_id:
                send(entry, content.run_id, logged_steps(content.run_id, content.metrics))
            else:
                send_results(entry)
        except UNREACHABLE as error:
            if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
                log.warning("a run was deleted; what was still to be sent to it is dropped: %s", error)
                entry.remove()
            else:
                log.warning(LATER, one_line(error))
                entry.close()
                unsent += 1
            continue
        if unfinished and content.run_id:
            resumable.append(content.run_id)
            entry.close()
        else:
            entry.remove()
    return Pending(unsent, resumable)


@contextmanager
def training_run(
    name: str,
    *,
    output: Path,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    datasets: Sequence[Dataset] = (),
    description: str = "",
    resume: bool = False,
) -> Iterator[Run]:
    """Record a training, which writes the weights file `output`, as a run, from start to end.

    With `resume`, the run of the interrupted training of the same `output` goes on, if there is one.
    Nested `params` get dotted names. The commit and the names that DVC gives to the experiment and
    the stage are added to `tags`. If the body raises, the run ends as FAILED with the reason in the
    tag `failure`; if it is interrupted from the keyboard, as KILLED. Raises `InputError` if the run
    can't be started; a store that stops answering later stops nothing.
    """
    try:
        run = _reopen(output) if resume else None
        if run is None:
            _give_up(output)
            run = _start(name, output, params, {**tags, NOTE: description, **_code_tags()}, datasets)
    except UNREACHABLE as error:
        raise refusal(error) from None
    try:
        yield run
    except KeyboardInterrupt:
        run.end(KILLED)
        raise
    except BaseException as error:
        run.entry.content.tags["failure"] = one_line(error)
        run.end(FAILED)
        raise
    run.end(FINISHED)


def add_to_run(
    weights_path: Path,
    metrics: Mapping[str, float],
    figures: Sequence[Path] = (),
    candidate: Candidate | None = None,
) -> bool:
    """Add metrics and figures to the latest run that logged these weights, and to its model.

    Metric names may contain "/". A figure that the run has already is not added a second time. A
    `candidate` goes to the registry as `registry.register` says. Without such a run, as with weights
    that come from another machine's cache, logs a warning and returns False: no run is made. A store
    that does not answer gets all this later, from `send_pending`.
    """
    digest = files.sha256(weights_path)
    content = Content(
        store=store.address(),
        weights_sha256=digest,
        output=weights_path,
        candidate=candidate,
        status=FINISHED,
    )
    entry = Entry.create(_outbox, content)
    entry.add_metrics(0, metrics)
    entry.add_files("figures", figures)
    entry.save()
    try:
        found = send_results(entry)
    except UNREACHABLE as error:
        log.warning(LATER, one_line(error))
        entry.close()
        return True
    entry.remove()
    return found


def _start(
    name: str,
    output: Path,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    datasets: Sequence[Dataset],
) -> Run:
    output.parent.mkdir(parents=True, exist_ok=True)  # by which `send_pending` knows the working copy
    active = mlflow.start_run(run_name=name, tags=dict(tags), log_system_metrics=True)
    client, run_id = MlflowClient(), active.info.run_id
    mlflow.log_params(_flatten(params))
    client.log_inputs(run_id, [_dataset_input(dataset) for dataset in datasets])
    content = Content(store=store.address(), run_id=run_id, output=output.resolve(), tags=dict(tags))
    entry = Entry.create(_outbox, content)
    return Run(entry, arrived=set())


def _reopen(output: Path) -> Run | None:
    """The run of an interrupted training, running again."""
    for entry in _unfinished(output):
        try:
            mlflow.start_run(run_id=entry.content.run_id, log_system_metrics=True)
        except MlflowException as error:
            log.warning("the interrupted run can't go on; a new one starts: %s", one_line(error))
            entry.remove()
            continue
        entry.content.status, entry.content.ended = RUNNING, None
        return Run(entry, arrived=None)
    return None


def _give_up(output: Path) -> None:
    """End the run of a training that starts anew instead of being resumed."""
    for entry in _unfinished(output):
        entry.end(KILLED)
        if entry.content.run_id:
            send(entry, entry.content.run_id, logged_steps(entry.content.run_id, entry.content.metrics))
        entry.remove()


def _unfinished(output: Path) -> Iterator[Entry]:
    for entry in outbox.entries(_outbox):
        content = entry.content
        if (
            content.store == store.address()
            and content.output == output.resolve()
            and content.status in (RUNNING, KILLED)
        ):
            yield entry
        else:
            entry.close()


def _dataset_input(dataset: Dataset) -> entities.DatasetInput:
    is_link = dataset.source.startswith(("http://", "https://"))
    described = entities.Dataset(
        name=dataset.name,
        digest=dataset.sha256[:DIGEST_LENGTH],
        source_type="http" if is_link else "local",
        source=json.dumps({"url" if is_link else "uri": dataset.source}),
        profile=json.dumps({"path": str(dataset.path), "sha256": dataset.sha256}),
    )
    return entities.DatasetInput(described, [entities.InputTag("mlflow.data.context", dataset.context)])


def _flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


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


def _link(run: entities.Run) -> str:
    # A link that holds only a fragment works whatever address the UI is served from.
    return f"[{run.info.run_name}](#/experiments/{run.info.experiment_id}/runs/{run.info.run_id})"


def _add_sentence(tags: dict[str, str], sentence: str) -> None:
    tags[NOTE] = f"{tags.get(NOTE, '')} {sentence}".strip()
