"""What every stage shares: its package's path, its parameters, logging, and one-line errors."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import Field

# A queued experiment runs in a copy of the repository, which must not import the installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from fsrcnn.device import DeviceName, Framework
from fsrcnn.errors import InputError
from fsrcnn.scales import SCALES, Scale
from fsrcnn.settings import Settings

PARAMS = Path("params.yaml")
SECTIONS = ("data", "model", "train", "finetune", "reference", "benchmark")

S = TypeVar("S", bound=Settings)


class Run(Settings):
    """The top-level keys of params.yaml that choose the run."""

    scale: Scale
    launcher: str  # for dvc.yaml: what starts the training stages
    device: DeviceName
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    framework: Framework
    recipe: Literal["ours", "reference"]


def read_run() -> Run:
    """The top-level keys; refuses any that is neither theirs nor a known section."""
    values = _read()
    return Run.parse("", {key: value for key, value in values.items() if key not in SECTIONS})


def read_section(name: str, settings: type[S]) -> S:
    """One section of params.yaml as its class."""
    return settings.parse(name, _read().get(name, {}))


def read_recipe(run: Run, name: Literal["train", "finetune"], settings: type[S]) -> S:
    """The section `train` or `finetune`, with what the reference recipe changes where that is chosen.

    MindSpore has the reference recipe only.
    """
    if run.recipe == "ours" and run.framework == "torch":
        return read_section(name, settings)
    values = _read()
    reference = _mapping(_mapping(values.get("reference"), "reference").get(name), f"reference.{name}")
    return settings.parse(f"reference.{name}", {**_mapping(values.get(name), name), **reference})


def read_scale(description: str | None, option: str = "--scale") -> int:
    """The scale on the command line, for the stages that dvc.yaml runs at more than one."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(option, dest="scale", type=int, choices=SCALES, required=True)
    scale: int = parser.parse_args().scale
    return scale


def repository_root() -> Path:
    """The main repository, where the MLflow store belongs, also from DVC's temporary folders."""
    return Path(os.environ.get("DVC_ROOT", "."))


def main(stage: Callable[[], None]) -> None:
    """Run a stage; an `InputError` becomes one line on standard error and exit status 1.

    So does an interruption, with the status that shells give it.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        stage()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as interruption:
        print(interruption or "interrupted", file=sys.stderr)
        sys.exit(130)


def _mapping(values: object, name: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise InputError(f"{PARAMS}: {name}: expected keys and values")
    return values


def _read() -> dict[str, Any]:
    try:
        values = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{PARAMS}: no such file; run stages from the repository root") from None
    except yaml.YAMLError as error:
        raise InputError(f"{PARAMS}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{PARAMS}: expected keys and values at the top level")
    return values
