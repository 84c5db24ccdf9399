"""What one run measured, as its files in metrics/ have it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

TRAIN_DATA = "91-image"


class Measurement(NamedTuple):
    """The contents of `metrics/{train,evaluate,benchmark}.json` of one run, and where they come from.

    Of records only those of the family "clean" have a benchmark.
    """

    train: Mapping[str, Any]
    evaluate: Mapping[str, Any]
    origin: str
    family: str  # of its networks, as `Weights.family` has it
    benchmark: Mapping[str, Any] = MappingProxyType({})

    @property
    def scale(self) -> int:
        """2, 3 or 4."""
        return int(self.evaluate["scale"])

    @property
    def subject(self) -> tuple[int, str, str]:
        """What two measurements are the same of: scale, family, and what was trained on."""
        return self.scale, self.family, self.evaluate["train_data"]

    @property
    def sets(self) -> dict[str, Mapping[str, Any]]:
        """{set: {protocol: {method: {"psnr": dB, "ssim": ...}}}}."""
        return {k: v for k, v in self.evaluate.items() if isinstance(v, Mapping) and k != "degraded"}

    @property
    def degraded(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        """{set: {degradation: {method: PSNR in dB}}}, of sets that came as pictures."""
        found: Mapping[str, Any] = self.evaluate.get("degraded", {})
        return found


def headline(m: Measurement) -> tuple[str, str, dict[str, float]]:
    """The first set evaluated, its protocol (the literature's where it was used), {method: PSNR in dB}."""
    dataset, protocols = next(iter(m.sets.items()))
    protocol = "standard" if "standard" in protocols else next(iter(protocols))
    return dataset, protocol, {name: method["psnr"] for name, method in protocols[protocol].items()}
