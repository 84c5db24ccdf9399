"""The MLflow store that a stage talks to: which one it is, and whether it answers."""

import logging
import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
from filelock import FileLock
from mlflow import MlflowClient, MlflowException

from fsrcnn.errors import InputError

EXPERIMENT = "fsrcnn"
KIND = {"mlflow.experimentKind": "custom_model_development"}  # the UI then shows training, not chats
UNREACHABLE = (MlflowException, OSError)


def connect(root: Path) -> None:
    """Choose the store and the experiment for everything that follows; make them if need be.

    The store is what MLFLOW_TRACKING_URI names, else `mlflow.db` with `mlartifacts/` in `root`, the
    root of the repository. Several processes may call this at once. Also keeps MLflow quiet: what
    it prints of its own accord would drown the output of a stage; and its telemetry is off unless
    MLFLOW_DISABLE_TELEMETRY says otherwise.

    Raises `InputError` if the store can't be used, at once if its server does not answer.
    """
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_PRINT_MODEL_URLS_ON_CREATION", "false")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # Seconds, not the usual minutes, for a server that died: the outbox sends things later.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    logging.getLogger("mlflow").setLevel(logging.WARNING)

    default = f"sqlite:///{root.resolve()}/mlflow.db"
    uri = os.environ.get("MLFLOW_TRACKING_URI") or default
    # On a server, the server decides where artifacts lie.
    artifacts = (root.resolve() / "mlartifacts").as_uri() if uri == default else None
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        with _making_store(uri), _one_short_try():
            client = MlflowClient()
            experiment = client.get_experiment_by_name(EXPERIMENT)
            if experiment:
                mlflow.set_experiment(experiment_id=experiment.experiment_id)
            else:
                mlflow.set_experiment(experiment_id=client.create_experiment(EXPERIMENT, artifacts, KIND))
    except UNREACHABLE as error:
        raise refusal(error) from None


def address() -> str:
    """The URI of the store, without the password in it."""
    return _without_password(mlflow.get_tracking_uri())


def refusal(error: BaseException) -> InputError:
    """What to tell a person when the store can't be used."""
    return InputError(
        f"can't use the MLflow store {address()}; start its server, or correct or unset "
        f"MLFLOW_TRACKING_URI ({one_line(error)})"
    )


def one_line(error: BaseException) -> str:
    """The kind of an error, unless it is an `InputError`, and its message, in one line."""
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    # MLflow's messages repeat the address with the password in it.
    return textwrap.shorten(_without_password(f"{kind}{error}"), 500, placeholder=" ...")


def _without_password(text: str) -> str:
    user = urlsplit(mlflow.get_tracking_uri()).netloc.rpartition("@")[0]
    return text.replace(f"{user}@", "") if user else text


def _making_store(uri: str) -> FileLock | nullcontext[None]:
    """A lock under which one process makes the tables of an SQLite store; MLflow takes none."""
    if not uri.startswith("sqlite:///"):
        return nullcontext()
    database = Path(uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{database}.lock")


@contextmanager
def _one_short_try() -> Iterator[None]:
    """Turn off MLflow's retries: good in the middle of a run, mere waiting at the start."""
    short = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
    before = {key: os.environ[key] for key in short if key in os.environ}
    os.environ.update(short)
    try:
        yield
    finally:
        for key in short:
            del os.environ[key]
        os.environ.update(before)
