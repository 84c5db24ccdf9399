"""The places that a network can be exported to, by the names that `fsrcnn export --to` takes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fsrcnn.errors import InputError
from fsrcnn.files import atomic

if TYPE_CHECKING:  # the command names the targets before it imports what makes them
    from fsrcnn.network.weights import Weights


def _onnx(network: "Weights") -> bytes:
    try:
        from fsrcnn.inference.onnx_graph import to_onnx
    except ImportError:
        raise InputError("onnx is not installed; run pip install 'fsrcnn[onnx]'") from None
    return bytes(to_onnx(network).SerializeToString(deterministic=True))


def _mpv(network: "Weights") -> bytes:
    from fsrcnn.export.hook_compute import to_compute_shader

    return to_compute_shader(network).encode()


def _mpv_fragment(network: "Weights") -> bytes:
    from fsrcnn.export.hook_fragment import to_fragment_shader

    return to_fragment_shader(network).encode()


def _opencv(network: "Weights") -> bytes:
    from fsrcnn.export.opencv_graph import to_opencv

    return to_opencv(network)


def _web(*networks: "Weights") -> bytes:
    from fsrcnn.export.web import to_page

    return to_page(networks)


# A network to the contents of a file; equal weights are equal bytes.
TARGETS: dict[str, Callable[..., bytes]] = {
    "onnx": _onnx,
    "mpv": _mpv,
    "mpv-fragment": _mpv_fragment,
    "opencv": _opencv,
    "web": _web,
}
MANY = ("web",)  # that take several networks at once


def export(networks: Sequence["Weights"], target: str, path: Path, *, force: bool = False) -> None:
    """Write a network, or for `MANY` several, to `path` in the form of one of `TARGETS`, whole or not at all.

    Raises `InputError` when the file exists and `force` is not given, can't be written, or the network can't
    be had in that form.
    """
    if len(networks) > 1 and target not in MANY:
        raise InputError(f"--to {target} takes one network, not {len(networks)}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file")
    if path.exists() and not force:
        raise InputError(f"{path}: exists; --force overwrites it")
    content = TARGETS[target](*networks)
    with atomic(path) as temporary:
        temporary.write_bytes(content)
