import subprocess
import sys

import numpy as np
import pytest
import torch

from fsrcnn.inference import backends
from fsrcnn.inference.tiling import receptive_radius, tiled
from fsrcnn.network.checkpoint import weights_of
from fsrcnn.network.model import FSRCNN
from fsrcnn.upscaling.image import Upscaler


def network(scale, m=4):
    torch.manual_seed(scale)
    made = FSRCNN(scale, m=m)
    torch.nn.init.normal_(made.deconvolution.weight, std=0.03)
    return made.eval()


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("m", [0, 4])
def test_receptive_radius_is_how_far_a_pixel_reaches(scale, m):
    made = network(scale, m)
    y = torch.rand(1, 1, 41, 41, requires_grad=True)
    # The whole block of the middle pixel, since its first and last rows reach to different sides.
    made(y)[0, 0, 20 * scale : 21 * scale, 20 * scale : 21 * scale].sum().backward()
    rows = y.grad[0, 0].abs().sum(1).nonzero().flatten()
    radius = receptive_radius(weights_of(made))
    assert max(20 - rows.min(), rows.max() - 20) == radius


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(101, 67), (40, 41), (1, 150), (33, 5)])
def test_tiled_output_is_the_whole_one(scale, height, width):
    made = network(scale)
    upscaler = Upscaler(weights_of(made))
    y = np.random.default_rng(0).random((height, width), dtype=np.float32)
    whole = upscaler._network(y)
    pieces = tiled(upscaler._network, y, scale, receptive_radius(weights_of(made)), side=40)
    # Float32 rounding alone: the convolution library may choose its algorithm by the shape.
    assert np.abs(pieces - whole).max() <= 2e-6 * np.abs(whole).max()


def test_a_smaller_margin_would_show():
    made = network(4)
    upscaler = Upscaler(weights_of(made))
    y = np.random.default_rng(0).random((101, 67), dtype=np.float32)
    pieces = tiled(upscaler._network, y, 4, receptive_radius(weights_of(made)) - 1, side=40)
    assert np.abs(pieces - upscaler._network(y)).max() > 1e-4


def test_windows_have_one_shape_and_parts_do_not_overlap():
    shapes = set()

    def double(window):
        shapes.add(window.shape)
        return window.repeat(2, 0).repeat(2, 1)

    image = np.arange(57 * 91).reshape(57, 91)
    assert np.array_equal(tiled(double, image, 2, margin=3, side=16), image.repeat(2, 0).repeat(2, 1))
    assert shapes == {(16, 16)}


MEASURE = """
import re
from pathlib import Path
import numpy as np
from fsrcnn import upscale

large = upscale(np.zeros((2500, 2500, 3), np.uint8))
assert large.shape == (10_000, 10_000, 3)
# Not ru_maxrss: that starts at what the process had that started this one.
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which Linux alone has")
def test_100_megapixels_in_bounded_memory():
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    # Input and output are 319 MB; around the other backends there are windows, and torch.
    limit = 0.6e9 if "native" in backends.available() else 2e9
    assert int(done.stdout) * 1024 < limit
