"""SOAP: Adam in the slowly turning eigenbasis of Shampoo's preconditioner (arXiv 2409.11321).

Written out here because a general implementation spends more time on this network's 23 small
tensors than the network does on its gradients. Two things make it fast: a filter bank is one matrix
(out, in*k*k), and matrices of one shape are handled as one batch. Biases and slopes get plain Adam.
On the CPU soap_kernel.py does the same, faster.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class SOAP(torch.optim.Optimizer):
    """SOAP without weight decay; parameters of one group and shape are updated together.

    `frequency` is the number of steps between two refreshes of the eigenbases. The first step only
    measures the gradient, as in the paper's algorithm 3.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-12,
        frequency: int = 10,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "frequency": frequency})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            stacks: dict[tuple[int, ...], list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    stacks.setdefault(matrix_shape(parameter), []).append(parameter)
            for shape, parameters in stacks.items():
                gradient = torch.stack([p.grad.reshape(shape) for p in parameters if p.grad is not None])
                update = self._update(self.state[parameters[0]], gradient, group)
                if update is not None:
                    for parameter, change in zip(parameters, update, strict=True):
                        parameter.sub_(change.view_as(parameter), alpha=group["lr"])

    @staticmethod
    def _update(state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> Tensor | None:
        """The change of a stack of matrices or vectors at learning rate 1; None at the first step."""
        beta1, beta2 = group["betas"]
        if not state:
            state.update(step=1, **first_state(gradient, beta2))
            return None
        step, mean, square = state["step"], state["mean"], state["square"]
        state["step"] += 1
        mean.lerp_(gradient, 1 - beta1)
        correction = bias_correction(step, group["betas"])
        if gradient.dim() == 2:
            square.lerp_(gradient.square(), 1 - beta2)
            return correction * mean / (square.sqrt() + group["eps"])
        for factor, new in zip(state["factors"], _factors(gradient), strict=True):
            factor.lerp_(new, 1 - beta2)
        left, right = state["bases"]
        square.lerp_((left.mT @ gradient @ right).square(), 1 - beta2)
        direction = correction * (left.mT @ mean @ right) / (square.sqrt() + group["eps"])
        # With equal betas no step of Adam is longer than 1; one is where the basis has just turned and
        # `square` belongs to the old one, and then it throws the network far off.
        update = left @ direction.clamp_(-1, 1) @ right.mT
        if step % group["frequency"] == 0:
            _refresh(state)
        return update


def first_state(gradient: Tensor, beta2: float) -> dict[str, Any]:
    """What the first step measures, of a stack of matrices (n, rows, columns) or of vectors (n, length)."""
    state: dict[str, Any] = {"mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
    if gradient.dim() == 3:
        state["factors"] = [factor * (1 - beta2) for factor in _factors(gradient)]
        state["bases"] = [_eigenvectors(factor) for factor in state["factors"]]
    return state


def bias_correction(step: int, betas: tuple[float, float]) -> float:
    """Adam's, of both its averages together, at `step`, counted from 1."""
    return float((1 - betas[1] ** step) ** 0.5 / (1 - betas[0] ** step))


def _factors(gradient: Tensor) -> tuple[Tensor, Tensor]:
    return gradient @ gradient.mT, gradient.mT @ gradient


def _refresh(state: dict[str, Any]) -> None:
    """Turn the eigenbases by one power iteration; `square` is reordered with its axes."""
    for side, (factor, basis) in enumerate(zip(state["factors"], state["bases"], strict=True)):
        image = factor @ basis
        order = (basis * image).sum(-2).argsort(-1, descending=True)
        columns = order[:, None, :].expand_as(image)
        state["bases"][side] = _orthogonal(image.gather(-1, columns))
        rows = order[:, :, None] if side == 0 else order[:, None, :]
        state["square"] = state["square"].gather(side + 1, rows.expand_as(state["square"]))


def _eigenvectors(matrices: Tensor) -> Tensor:
    """Of symmetric matrices (n, k, k), as columns, from the largest eigenvalue to the smallest."""
    return torch.linalg.eigh(_with_linalg(matrices))[1].flip(-1).to(matrices)


def _orthogonal(matrices: Tensor) -> Tensor:
    """The Q of matrices' (n, k, k) QR decomposition."""
    return torch.linalg.qr(_with_linalg(matrices))[0].to(matrices)


def _with_linalg(matrices: Tensor) -> Tensor:
    """The matrices where decompositions exist: MPS has none, and these are too small to matter."""
    return matrices if matrices.device.type in ("cpu", "cuda") else matrices.cpu()


def matrix_shape(parameter: Tensor) -> tuple[int, ...]:
    """As what a parameter is handled: a vector, or a matrix of a row for each filter."""
    if parameter.dim() == 1:
        return (len(parameter),)
    return (len(parameter), parameter[0].numel())
