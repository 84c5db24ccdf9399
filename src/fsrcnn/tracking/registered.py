"""A network out of MLflow, for a tool that otherwise knows nothing of MLflow."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from fsrcnn.errors import InputError
from fsrcnn.network.weights import Weights, load


def load_registered(uri: str) -> Weights:
    """The network of a logged model, such as "models:/fsrcnn-x4@champion" or "runs:/<run>/model".

    The store is what MLFLOW_TRACKING_URI names, else MLflow's own default. Only the model's safetensors
    file is read; none of its code is run. Raises `InputError` when MLflow is not installed, the model can't
    be had, or it holds no such file.
    """
    with downloaded(uri) as folder:
        return weights_in(folder, uri)


@contextmanager
def downloaded(uri: str) -> Iterator[Path]:
    """A temporary folder with all of a logged model. Raises `InputError` as `load_registered` does."""
    mlflow = _mlflow(uri)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with tempfile.TemporaryDirectory() as folder:
        try:
            mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
        except Exception as error:  # MLflow's own, those of the HTTP client, of the database, ...
            raise not_to_be_had(uri, mlflow.get_tracking_uri(), error) from None
        yield Path(folder)


def weights_in(folder: Path, uri: str) -> Weights:
    """The network in the folder of a logged model. Raises `InputError` as `load_registered` does."""
    # The model also carries a copy of this package, released weights included.
    found = sorted(folder.rglob("artifacts/*.safetensors"))
    if len(found) != 1:
        raise InputError(f"{uri}: {len(found)} safetensors files among its artifacts; expected one")
    return load(found[0])


def version_of(uri: str) -> str:
    """What an alias names now, "models:/fsrcnn-x4/3" for "models:/fsrcnn-x4@champion"; another URI as it is.

    Raises `InputError` when MLflow is not installed, or the alias can't be had.
    """
    found = re.fullmatch("models:/([^@]+)@(.+)", uri)
    if not found:
        return uri
    mlflow = _mlflow(uri)
    try:
        version = mlflow.MlflowClient().get_model_version_by_alias(*found.groups())
    except Exception as error:  # as above
        raise not_to_be_had(uri, mlflow.get_tracking_uri(), error) from None
    return f"models:/{version.name}/{version.version}"


def _mlflow(uri: str) -> ModuleType:
    try:
        import mlflow
    except ImportError:
        raise InputError(f"{uri}: MLflow is not installed; run pip install 'fsrcnn[pipeline]'") from None
    return mlflow


def not_to_be_had(uri: str, store: str, error: Exception) -> InputError:
    """What to raise where a model can't be had from a store, with the error in one line."""
    return InputError(f"{uri}: not to be had from {store} ({' '.join(str(error).split())})")
