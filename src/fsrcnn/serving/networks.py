"""The networks that a server answers with: those released, one of a file, or one of MLflow."""

from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp

from fsrcnn.errors import InputError
from fsrcnn.limits import FAMILIES, SCALES
from fsrcnn.network import weights
from fsrcnn.pictures.picture import Metadata
from fsrcnn.upscaling.family import Choice, chosen, suited_to
from fsrcnn.upscaling.image import Upscaler, released_upscaler

DEFAULT_SCALE = 4


@dataclass(frozen=True)
class Networks:
    """One network, or those released where it is None.

    `name` is "released", the file, or the URI of the version in MLflow. A model of MLflow also answers by
    MLflow's own protocol (ASGI).
    """

    name: str
    given: Upscaler | None = None
    invocations: ASGIApp | None = None

    def scale(self, asked: int | None) -> int:
        """The scale to upscale by. Raises `InputError` where there is no network for the one asked for."""
        if self.given and asked not in (None, self.given.scale):
            raise InputError(f"scale {asked}: this server has a network for {self.given.scale} alone")
        return self.given.scale if self.given else asked or DEFAULT_SCALE

    def upscaler(self, picture: Metadata, network: Choice, scale: int) -> Upscaler:
        """The network that is asked for, or suits the picture, as in `fsrcnn upscale`.

        Raises `InputError` where one is asked for where there is one alone.
        """
        if self.given is None:
            return released_upscaler(scale, chosen(network, suited_to(picture)).family, "auto")
        if network != "auto":
            raise InputError(f"network {network}: this server has one network; leave it out")
        return self.given


def load(source: str | None) -> Networks:
    """The networks of a source, all ready: None for the released ones, a path, or a URI of MLflow.

    Raises `InputError` where they can't be loaded.
    """
    if source is None:
        for scale in SCALES:
            for family in FAMILIES:
                released_upscaler(scale, family, "auto")
        return Networks("released")
    if is_uri(source):
        try:
            from fsrcnn.serving import invocations
        except ImportError as error:
            raise InputError(f"{source}: {error.name} is not installed; run pip install mlflow") from None
        return invocations.load(source)
    return Networks(source, Upscaler(weights.load(Path(source))))


def is_uri(source: str | None) -> bool:
    """Whether MLflow is meant, as in "models:/fsrcnn-x4@champion"; else it is a path."""
    return source is not None and ":/" in source
