"""The routes: `POST /upscale`, `/healthz`, `/metrics`, MLflow's own, and their description at `/docs`."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fsrcnn.errors import InputError
from fsrcnn.pictures.picture import TooLargeError
from fsrcnn.pictures.reading import decode
from fsrcnn.pictures.writing import check, encode
from fsrcnn.serving.measures import GONE, PIXELS
from fsrcnn.serving.negotiation import SERVED, accepted
from fsrcnn.serving.networks import Networks
from fsrcnn.serving.work import GoneError, Work
from fsrcnn.upscaling.family import Choice
from fsrcnn.upscaling.signatures import format_of

ONE_AT_A_TIME = threading.Lock()  # for backends that can't run in several threads, as OpenVINO's
REREAD = 30  # seconds between two looks at where an alias points
PICTURE = {f"image/{name}": {"schema": {"type": "string", "format": "binary"}} for name in SERVED}
DESCRIPTION = """\
Send the bytes of a picture, get the bytes of a larger one:

    curl --data-binary @photo.jpg 'http://127.0.0.1:5001/upscale?scale=2' > photo_x2.jpg
"""
REFUSALS: dict[int | str, dict[str, object]] = {
    401: {"description": "The token is missing or wrong"},
    406: {"description": "`Accept` names none of PNG, JPEG and WebP"},
    413: {"description": "Too many bytes or pixels"},
    415: {"description": "The body is no PNG, JPEG or WebP"},
    422: {"description": "The picture is damaged or animated, its format can't hold it, or a query is wrong"},
    503: {
        "description": "Too many requests are waiting; `Retry-After` says in how many seconds to come again"
    },
}


def application(
    networks: Networks,
    work: Work,
    max_megapixels: float,
    read_again: Callable[[Networks], Networks] | None,
    *,
    with_token: bool,
) -> FastAPI:
    """The server behind its guard. `read_again` gives the networks that are current."""

    @asynccontextmanager
    async def following(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_follow(app, read_again)) if read_again else None
        yield
        if task:
            task.cancel()

    app = FastAPI(
        title="fsrcnn",
        description=DESCRIPTION,
        lifespan=following,
        # The guard checks the token; this describes it.
        dependencies=[Depends(HTTPBearer(auto_error=False))] if with_token else [],
    )
    app.state.networks = networks

    @app.post(
        "/upscale",
        response_class=Response,
        responses={200: {"content": PICTURE, "description": "The larger picture"}, **REFUSALS},
        openapi_extra={"requestBody": {"required": True, "content": PICTURE}},
    )
    async def upscale(
        request: Request,
        scale: Annotated[int | None, Query(ge=2, le=4, description="2, 3 or 4; default: 4")] = None,
        network: Annotated[
            Choice, Query(description="trained on clean pictures or on compressed ones; auto: by the file")
        ] = "auto",
        format: Annotated[
            Literal["png", "jpeg", "webp"] | None, Query(description="default: by `Accept`, else as sent")
        ] = None,
    ) -> Response:
        """Upscale a PNG, JPEG or WebP."""
        current: Networks = app.state.networks
        content = await request.body()
        source = format_of(content)
        if source is None:
            raise HTTPException(
                415, "no PNG, JPEG or WebP; send the bytes of a picture as the body, in no form"
            )
        target = format or accepted(", ".join(request.headers.getlist("accept")) or "*/*", source)
        if target is None:
            raise HTTPException(406, f"choose among image/{', image/'.join(SERVED)}")
        try:
            factor = current.scale(scale)
            answer = await work.run(
                lambda: _upscaled(content, target, current, network, factor, max_megapixels), _gone(request)
            )
        except TooLargeError as error:
            raise HTTPException(413, str(error)) from None
        except InputError as error:
            raise HTTPException(422, str(error)) from None
        except GoneError:
            return Response(status_code=GONE)
        return Response(answer, media_type=f"image/{target}")

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the server answers, and with what."""
        return {"status": "ok", "network": app.state.networks.name}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    if networks.invocations:

        class OfMlflow:
            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
                await app.state.networks.invocations(scope, receive, send)

        app.router.routes += [Route(path, OfMlflow()) for path in ("/invocations", "/ping", "/version")]
    return app


def _upscaled(
    content: bytes, form: str, networks: Networks, network: Choice, scale: int, max_megapixels: float
) -> bytes:
    """The bytes of the larger picture. Raises `InputError` before any work where a format can't hold it."""
    name = Path(f"picture.{form}")
    picture = decode(content, max_megapixels)
    upscaler = networks.upscaler(picture.metadata, network, scale)
    check(name, picture, scale)
    with nullcontext() if upscaler.backend.name == "native" else ONE_AT_A_TIME:
        pixels = upscaler(picture.pixels)
    PIXELS.inc(pixels.shape[0] * pixels.shape[1])
    return encode(name, picture._replace(pixels=pixels))


async def _gone(request: Request) -> None:
    """Return when the client goes away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _follow(app: FastAPI, read_again: Callable[[Networks], Networks]) -> None:
    while True:
        await asyncio.sleep(REREAD)
        app.state.networks = await asyncio.to_thread(read_again, app.state.networks)
