"""SOAP by soap.c, or soap.cu, compiled here: what takes PyTorch two hundred small operations is one call."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fsrcnn.compilers import compiler
from fsrcnn.torch.soap import bias_correction, first_state, matrix_shape

# What soap.c calls a tensor; an address is 0 where there is nothing.
ADDRESSES = ("mean", "square", "left_factor", "left_basis", "right_factor", "right_basis")
TENSOR = np.dtype(
    [("rows", "l"), ("columns", "l")]
    + [(name, np.uintp) for name in ("parameter", "gradient", *ADDRESSES)]
    + [("rate", "d")]
)


class Numbers(NamedTuple):
    """What a step takes beside the tensors, in soap.c's order; `correction` is Adam's, of both averages."""

    is_to_refresh: bool
    share_of_mean: float
    share_of_square: float
    correction: float
    epsilon: float


# Changes the parameters of a table (of `TENSOR`) in place; `most`: rows or columns of the largest matrix.
Step = Callable[[np.ndarray, int, Numbers], None]


class ProcessorStep:
    """The step of soap.c."""

    def __init__(self) -> None:
        """Raises `InputError` when it can't be compiled or loaded."""
        self._c = compiler.load("soap", Path(__file__).with_name("soap.c").read_bytes(), {}).step
        self._c.argtypes = [ctypes.c_void_p, ctypes.c_long, ctypes.c_void_p, ctypes.c_int]
        self._c.argtypes += [ctypes.c_float] * 4

    def __call__(self, table: np.ndarray, most: int, numbers: Numbers) -> None:
        """Take the step."""
        room = torch.empty(3 * most**2)
        self._c(table.ctypes.data, len(table), room.data_ptr(), *numbers)


class CompiledSOAP:
    """`SOAP` for parameters in float32 on the device of `step`; to rounding, its steps are the same.

    It is used as a `torch.optim.Optimizer` is, but is none: the first of these loads PyTorch's compiler, in
    almost two seconds. Frozen parameters are left out of `params`.
    """

    def __init__(
        self,
        params: list[dict[str, Any]],
        step: Step,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-12,
        frequency: int = 10,
    ) -> None:
        """Each group has its `lr`."""
        self._take, self._betas, self._eps, self._frequency = step, betas, eps, frequency
        self.param_groups = params
        self._parameters = [parameter for group in params for parameter in group["params"]]
        self._most = max(max(_rows_and_columns(parameter)) for parameter in self._parameters)
        self._step, self._states = 0, [dict[str, Tensor]() for _ in self._parameters]
        self._table = np.empty(len(self._parameters), TENSOR)

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter; all have a gradient."""
        gradients = [parameter.grad for parameter in self._parameters]
        if self._step == 0:
            self._hold([_first_state(gradient, self._betas[1]) for gradient in gradients])
        else:
            self._table["gradient"] = [gradient.data_ptr() for gradient in gradients]
            self._table["rate"] = [group["lr"] for group in self.param_groups for _ in group["params"]]
            beta1, beta2 = self._betas
            correction = bias_correction(self._step, self._betas)
            is_to_refresh = self._step % self._frequency == 0
            numbers = Numbers(is_to_refresh, 1 - beta1, 1 - beta2, correction, self._eps)
            self._take(self._table, self._most, numbers)
        self._step += 1

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` goes on from; its tensors are those in use."""
        return {"step": self._step, "states": self._states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state that `state_dict` gave."""
        self._step = state_dict["step"]
        if self._step:
            self._hold(state_dict["states"])

    def _hold(self, states: list[dict[str, Tensor]]) -> None:
        """Keep the states beside the parameters, and say where they lie."""
        where = self._parameters[0].device
        self._states = [{name: tensor.to(where) for name, tensor in state.items()} for state in states]
        for i, (parameter, state) in enumerate(zip(self._parameters, self._states, strict=True)):
            tensors = [parameter, *state.values()]
            assert all(tensor.is_contiguous() and tensor.dtype == torch.float32 for tensor in tensors)
            addresses = [state[name].data_ptr() if name in state else 0 for name in ADDRESSES]
            self._table[i] = (*_rows_and_columns(parameter), parameter.data_ptr(), 0, *addresses, 0.0)


def _rows_and_columns(parameter: Tensor) -> tuple[int, int]:
    *rows, columns = matrix_shape(parameter)
    return rows[0] if rows else 1, columns


def _first_state(gradient: Tensor, beta2: float) -> dict[str, Tensor]:
    state = first_state(gradient.cpu().reshape(1, *matrix_shape(gradient)), beta2)
    sides = zip(state.pop("factors", ()), state.pop("bases", ()), strict=True)
    tensors = [*state.values(), *(tensor for side in sides for tensor in side)]
    return {name: tensor.contiguous() for name, tensor in zip(ADDRESSES, tensors, strict=False)}
