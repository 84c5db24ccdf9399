"""The format of an answer: that of the request's bytes, and what its client accepts."""

from fsrcnn.upscaling.signatures import SIGNATURES

SERVED = tuple(SIGNATURES)


def accepted(accept: str, source: str) -> str | None:
    """The format of `SERVED` that the header Accept gives the highest quality, None where it allows none.

    Of equals it is the source's own, as for `*/*`, and then the first one that the header names.
    """
    quality: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (words.strip().lower() for words in part.split(";"))
        values = dict(parameter.partition("=")[::2] for parameter in parameters)
        quality.setdefault(kind, _number(values.get("q", "1")))

    def of(name: str) -> float:
        # The most specific entry counts.
        kinds = (f"image/{name}", "image/*", "*/*")
        return next((quality[kind] for kind in kinds if kind in quality), 0)

    named = [kind.removeprefix("image/") for kind in quality]
    ranked = sorted({source, *SERVED}, key=lambda name: (-of(name), name != source, _position(named, name)))
    return ranked[0] if of(ranked[0]) > 0 else None


def _position(named: list[str], name: str) -> int:
    return named.index(name) if name in named else len(named) + SERVED.index(name)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0
