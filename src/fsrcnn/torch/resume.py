"""The state of a training on disk, so that a killed one goes on where it was."""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fsrcnn.files import atomic

log = logging.getLogger(__name__)


class TrainingState:
    """A file that holds the latest state of one training.

    `identity` is all that decides the training's result. A state with another identity is not used:
    it belongs to other settings, data or code.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self._identity = json.dumps({**identity, "code": _code_digest()}, sort_keys=True)

    def load(self) -> dict[str, Any] | None:
        """The state saved last; None if there is none, or none of this training."""
        if not self.path.exists():
            return None
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            if saved["identity"] == self._identity:
                return dict(saved["state"])
            log.info("%s: of other settings, data or code; training starts afresh", self.path)
        except Exception:  # torch's reader raises every kind of error on a damaged file
            log.warning("%s: not a training state; training starts afresh", self.path)
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state, atomically."""
        with atomic(self.path) as temporary:
            torch.save({"identity": self._identity, "state": state}, temporary)

    def remove(self) -> None:
        """Delete the file, once the training's results are safe."""
        self.path.unlink(missing_ok=True)


def _code_digest() -> str:
    """SHA-256 of the package's modules and torch's version."""
    digest = hashlib.sha256(torch.__version__.encode())
    for module in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()
