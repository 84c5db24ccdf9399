"""The model registry: `fsrcnn-x<scale>`, whose alias `champion` is the best network so far.

A version is one weights file. It carries, for each evaluation data it was scored on, a tag `psnr_<digest>`
with the PSNR in dB; PSNRs are compared on the same digest alone.
"""

import json
import logging

from mlflow import MlflowClient, MlflowException
from mlflow.entities.model_registry import ModelVersion
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from fsrcnn.tracking.record import Candidate
from fsrcnn.tracking.store import experiment_id, turn

log = logging.getLogger(__name__)

CHAMPION = "champion"


def register(weights_sha256: str, candidate: Candidate) -> ModelVersion | None:
    """Register the model that has these weights, once, and make it champion if it is the best.

    The alias moves to an eligible version with a higher PSNR on the candidate's data than the champion
    has; the first eligible one gets it unopposed. If the champion was never scored on that data, it
    stays, and a warning says so. Promotions that use one SQLite store at the same time take turns; on
    a tracking server they do not.

    Returns the version; None if the store has no model with these weights.
    """
    client = MlflowClient()
    with turn():
        version = _version(client, f"fsrcnn-x{candidate.scale}", weights_sha256)
        if version is not None:
            client.update_model_version(version.name, version.version, candidate.description)
            tag = f"psnr_{candidate.data_digest[:16]}"
            client.set_model_version_tag(version.name, version.version, tag, f"{candidate.psnr:.4f}")
            if candidate.eligible:
                _challenge(client, version, tag, candidate.psnr)
    return version


def _challenge(client: MlflowClient, version: ModelVersion, tag: str, psnr: float) -> None:
    """Make a version the champion if its PSNR is higher than the champion's."""
    name = version.name
    champion = _champion(client, name)
    if champion is not None and champion.version == version.version:
        return
    if champion is not None and tag not in champion.tags:
        log.warning(
            "%s: version %s is not compared with the champion, version %s, which was evaluated on "
            "other data; evaluate that on the same data, or move the alias by hand",
            name,
            version.version,
            champion.version,
        )
    elif champion is None or round(psnr, 4) > float(champion.tags[tag]):
        client.set_registered_model_alias(name, CHAMPION, version.version)
        log.info("%s: version %s is the champion, %.2f dB", name, version.version, psnr)


def _version(client: MlflowClient, name: str, weights_sha256: str) -> ModelVersion | None:
    """The version with these weights, made if need be; None if no model has them."""
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get("weights_sha256") == weights_sha256:
            return version
    models = client.search_logged_models(
        [experiment_id()], filter_string=f"tags.weights_sha256 = '{weights_sha256}'", max_results=1
    )
    if not models:
        return None
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(
        name,
        source=models[0].model_uri,
        run_id=models[0].source_run_id,
        tags={"weights_sha256": weights_sha256},
        model_id=models[0].model_id,
    )
    # By which the UI shows a model as registered; `mlflow.register_model` sets it too, and prints.
    registered = [{"name": name, "version": version.version}]
    client.set_logged_model_tags(models[0].model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(registered)})
    return version


def _champion(client: MlflowClient, name: str) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        # What MLflow says of an alias that is not set.
        if error.error_code not in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
            raise
        return None
