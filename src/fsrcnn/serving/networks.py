"""The networks that a server answers with: those released, one of a file, or one of MLflow."""

from dataclasses import dataclass

from starlette.types import ASGIApp

from fsrcnn.errors import InputError
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
