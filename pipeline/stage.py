"""What every stage shares: its package's path, its parameters, logging, and one-line errors."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import installed  # noqa: F401  # ends the stage where a package is missing
import yaml

# A queued experiment runs in a copy of the repository, which must not import the installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from fsrcnn.errors import InputError
from fsrcnn.limits import SCALES
from fsrcnn.settings import Params
from fsrcnn.system import check_supported

PARAMS = Path("params.yaml")


def read_params() -> Params:
    """All parameters, whichever the stage needs: a mistake shows at the first stage, not at the last."""
    try:
        values = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{PARAMS}: no such file; run stages from the repository root") from None
    except yaml.YAMLError as error:
        raise InputError(f"{PARAMS}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{PARAMS}: expected keys and values at the top level")
    return Params.of_yaml(values)


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
        check_supported()
        stage()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as interruption:
        print(interruption or "interrupted", file=sys.stderr)
        sys.exit(130)
