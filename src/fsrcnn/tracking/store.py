"""The MLflow store that a stage talks to: which one it is, and whether it answers."""

import logging
import os
import textwrap
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
from filelock import FileLock
from mlflow import MlflowClient, MlflowException

from fsrcnn.errors import InputError

EXPERIMENT = "fsrcnn"
KIND = {"mlflow.experimentKind": "custom_model_development"}  # the UI then shows training, not chats
UNREACHABLE = (MlflowException, OSError)
DEFAULTS = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_PRINT_MODEL_URLS_ON_CREATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    # Seconds, not the usual minutes, for a server that died: records are sent again later.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def connect(root: Path) -> None:
    """Choose the store and the experiment for everything that follows; make them if need be.

    The store is what MLFLOW_TRACKING_URI names, else `mlflow.db` with `mlartifacts/` in `root`, the
    root of the repository. Several processes may call this at once. Also keeps MLflow quiet: what
    it prints of its own accord would drown the output of a stage; and its telemetry is off unless
    MLFLOW_DISABLE_TELEMETRY says otherwise.

    Raises `InputError` if the store can't be used, at once if its server does not answer.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow").setLevel(logging.WARNING)

    default = f"sqlite:///{root.resolve()}/mlflow.db"
    uri = os.environ.get("MLFLOW_TRACKING_URI") or default
    # On a server, the server decides where artifacts lie.
    artifacts = (root.resolve() / "mlartifacts").as_uri() if uri == default else None
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        with turn():  # MLflow takes none while it makes the tables
            client = MlflowClient()
            experiment = client.get_experiment_by_name(EXPERIMENT)
            if experiment:
                mlflow.set_experiment(experiment_id=experiment.experiment_id)
            else:
                mlflow.set_experiment(experiment_id=client.create_experiment(EXPERIMENT, artifacts, KIND))
    except UNREACHABLE as error:
        raise refusal(error) from None


def experiment_id() -> str:
    """The experiment that `connect` chose."""
    experiment = MlflowClient().get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    return str(experiment.experiment_id)


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


def turn() -> FileLock | nullcontext[None]:
    """A lock by which processes that share an SQLite store take turns; a server has none."""
    uri = mlflow.get_tracking_uri()
    if not uri.startswith("sqlite:///"):
        return nullcontext()
    database = Path(uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{database}.lock")
