"""The logged model as a function of Spark, on one core of this machine."""

import os
import shutil
import sys
from importlib.resources import as_file, files

import mlflow
import numpy as np
import pytest
from PIL import Image

from fsrcnn import upscale
from fsrcnn.download.samples import photographs
from fsrcnn.pictures.reading import decode
from fsrcnn.tracking import store
from fsrcnn.tracking.logged_model import log_model


@pytest.fixture
def spark(monkeypatch):
    sql = pytest.importorskip("pyspark.sql", reason="Spark is not installed; pip install pyspark")
    if not shutil.which("java"):
        pytest.skip("no Java, in which Spark runs")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    session = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    yield session
    session.stop()


def test_files_of_a_folder(spark, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    store.connect(tmp_path)
    with as_file(files("fsrcnn.network") / "released" / "x2.safetensors") as path, mlflow.start_run():
        uri = log_model(path)
    folder = tmp_path / "in"
    folder.mkdir()
    ((_, image),) = photographs(("chelsea.png",), 60)
    image.save(folder / "a.png")
    image.convert("L").save(folder / "b.png")
    (folder / "bad.png").write_bytes(b"no picture")

    upscaled = mlflow.pyfunc.spark_udf(spark, uri, extra_env={"PYTHON_CPU_COUNT": "1"})
    rows = spark.read.format("binaryFile").load(str(folder))
    large = rows.select("path", upscaled("content").alias("large")).collect()

    made = {os.path.basename(row.path): row.large for row in large}  # noqa: PTH119 - a URL
    assert made.pop("bad.png") is None
    for name in ("a.png", "b.png"):
        expected = upscale(np.asarray(Image.open(folder / name)), 2)
        np.testing.assert_array_equal(decode(bytes(made.pop(name))).pixels, expected)
    assert not made
