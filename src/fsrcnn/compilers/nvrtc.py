"""NVIDIA's compiler of CUDA C++, for the graphics processor that is there, through cuda-core.

Needs neither torch nor a CUDA toolkit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

OLDEST = (8, 0)  # compute capability: Ampere


def current_device() -> Any:  # noqa: ANN401
    """cuda-core's current device; raises what the library and the driver say where there is none."""
    from cuda.core import Device

    device = Device()
    device.set_current()
    return device


def kernels(source: str, names: Sequence[str], defines: Sequence[str] = ()) -> Mapping[str, Any]:
    """Kernels of a source, by their names as C++ has them, for the current device."""
    from cuda.core import Program, ProgramOptions

    arch = f"sm_{current_device().arch}"
    options = ProgramOptions(std="c++17", arch=arch, define_macro=list(defines))
    module = Program(source, code_type="c++", options=options).compile("cubin", name_expressions=tuple(names))
    return {name: module.get_kernel(name) for name in names}
