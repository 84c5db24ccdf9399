"""Weights as a logged MLflow model: the signature, the packages it needs, and its tag."""

import hashlib
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from fsrcnn import files
from fsrcnn.network.weights import read_metadata

# What `pyfunc` imports, this package aside: the model carries a copy of that.
PACKAGES = ("isal", "mlflow", "numpy", "pillow", "safetensors")
# No schema of the input, since MLflow's can't say "an array or a column of bytes"; the model checks it.
# That of the output is what `mlflow.pyfunc.spark_udf` takes its type from.
SIGNATURE = ModelSignature(
    outputs=Schema([ColSpec(DataType.binary)]),
    params=ParamSchema([ParamSpec("encoding", DataType.string, "array")]),
)
EXAMPLE = np.linspace(0, 255, 8 * 8 * 3).astype(np.uint8).reshape(8, 8, 3)


def log_model(weights_path: Path) -> str:
    """Log a weights file as a model of the active run; its URI, for `mlflow.pyfunc.load_model`.

    The model is known by its `weights_tags`. It also loads where this package is not installed.
    """
    info = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(Path(__file__).with_name("pyfunc.py")),
        artifacts={"weights": str(weights_path)},
        code_paths=[str(Path(__file__).parents[1])],
        signature=SIGNATURE,
        input_example=EXAMPLE,
        # Given, because MLflow would spend a minute on finding them out.
        pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
        metadata=read_metadata(weights_path),
        tags=weights_tags(weights_path),
    )
    return str(info.model_uri)


def weights_tags(path: Path) -> dict[str, str]:
    """The digests that name a weights file: `weights_sha256`, and `weights_md5`, as in dvc.lock."""
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    return {"weights_md5": md5, "weights_sha256": files.sha256(path)}
