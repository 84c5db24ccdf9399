import pytest
import torch
from torch.nn import functional as F

from fsrcnn.errors import InputError
from fsrcnn.network.model import FSRCNN, weight_count
from fsrcnn.settings import ModelSettings


def randomized(scale: int, **shape: int) -> FSRCNN:
    """A network whose every parameter matters, unlike a fresh one with its tiny deconvolution."""
    torch.manual_seed(scale)
    network = FSRCNN(scale, **shape)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("shape", "weights"), [((56, 12, 4), 12_464), ((32, 5, 1), 3_937)])
def test_weight_count_is_the_papers(scale, shape, weights):
    assert weight_count(FSRCNN(scale, *shape)) == weights


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (13, 7)])
def test_output_is_scale_times_the_input(scale, size):
    out = FSRCNN(scale)(torch.rand(2, 1, *size))
    assert out.shape == (2, 1, size[0] * scale, size[1] * scale)


def prelu(x: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, x, slope[None, :, None, None] * x)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_forward_is_the_papers_formula(scale):
    network = randomized(scale)
    p = [parameter.detach() for parameter in network.parameters()]
    x = torch.rand(2, 1, 9, 11)
    y = prelu(F.conv2d(x, p[0], p[1], padding=2), p[2])
    y = prelu(F.conv2d(y, p[3], p[4]), p[5])
    for i in range(4):
        y = prelu(F.conv2d(y, p[6 + 3 * i], p[7 + 3 * i], padding=1), p[8 + 3 * i])
    y = prelu(F.conv2d(y, p[18], p[19]), p[20])
    # The deconvolution from its definition: zeros between the pixels, then a plain convolution.
    spread = torch.zeros(2, 56, 9 * scale, 11 * scale)
    spread[:, :, ::scale, ::scale] = y
    y = F.conv2d(spread, p[21].flip(2, 3).transpose(0, 1), p[22], padding=4)
    assert len(p) == 23
    torch.testing.assert_close(network(x), y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (6, 6), (13, 7)])
def test_subpixel_form_equals_the_deconvolution(scale, size):
    network = randomized(scale)
    x = torch.rand(3, 1, *size)
    torch.testing.assert_close(F.pixel_shuffle(network.subpixel(x), scale), network(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_gradients_of_both_forms_are_equal(scale):
    network, x, t = randomized(scale), torch.rand(2, 1, 6, 7), torch.rand(2, 1, 6 * scale, 7 * scale)
    plain = torch.autograd.grad(F.mse_loss(network(x), t), list(network.parameters()))
    subpixel = F.mse_loss(network.subpixel(x), F.pixel_unshuffle(t, scale))
    for a, b in zip(plain, torch.autograd.grad(subpixel, list(network.parameters())), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_initial_weights_follow_section_3_3():
    torch.manual_seed(0)
    network = FSRCNN(4, d=200, s=200, m=1)
    mapping = network.mapping[0]
    assert mapping.weight.std().item() == pytest.approx((2 / (200 * 9)) ** 0.5, rel=0.02)
    assert network.deconvolution.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert all((p == 0).all() for name, p in network.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize("bad", [{"d": 0}, {"s": "12"}, {"m": -1}, {"k": 9}])
def test_settings_refuse(bad):
    with pytest.raises(InputError, match=rf"params.yaml: model\.{next(iter(bad))}: "):
        ModelSettings.parse("model", {"d": 56, "s": 12, "m": 4, **bad})
