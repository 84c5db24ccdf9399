"""Compiles the engine into the package where there is a compiler; all else stands in pyproject.toml."""

import logging
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

SOURCE = Path(__file__).parent / "src"
sys.path.insert(0, str(SOURCE))

from fsrcnn.inference import compiling  # noqa: E402


class BuildEngine(build_ext):
    """Libraries that ctypes loads, in the place of extension modules."""

    made: tuple[Path, ...] = ()

    def run(self) -> None:
        """Compile them into the package that is built, or into the source of an editable one."""
        root = SOURCE if self.inplace or self.editable_mode else Path(self.build_lib).resolve()
        self.made = tuple(compiling.build(root / compiling.FOLDER.relative_to(SOURCE)))
        lost = "" if self.made else "; a compiler is needed where it runs, else NumPy runs the networks"
        logging.warning("compiled %d libraries of the engine%s", len(self.made), lost)

    def get_outputs(self) -> list[str]:
        """What was made."""
        return [str(path) for path in self.made]

    def get_output_mapping(self) -> dict[str, str]:
        """Nothing: in an editable package the libraries are in the source already."""
        return {}


class AnyPython(bdist_wheel):
    """A wheel for this platform and every Python: the libraries know nothing of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Python, ABI and platform."""
        return "py3", "none", super().get_tag()[2]


setup(
    cmdclass={"build_ext": BuildEngine, "bdist_wheel": AnyPython},
    # Names what makes the package one of a platform; `BuildEngine` knows the rest.
    ext_modules=[
        Extension(
            "fsrcnn.inference.libraries", [f"src/fsrcnn/inference/{name}" for name in compiling.SOURCES]
        )
    ],
)
