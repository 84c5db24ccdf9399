"""The hook shaders in players. A shader that fails is left out without a word but in the log: it is read."""

import numpy as np
import pytest

from fsrcnn.download.samples import photographs
from fsrcnn.errors import InputError
from fsrcnn.export.hook_compute import to_compute_shader
from fsrcnn.export.hook_fragment import to_fragment_shader
from fsrcnn.network.weights import released
from tests.export import players
from tests.export.networks import SMALL, output, random_weights, within_range

FORMS = {"compute": to_compute_shader, "fragment": to_fragment_shader}
MANY_FEATURES = {"d": 68, "s": 4, "m": 0}  # more quads than a fragment shader can read
WIDE = {"d": 4, "s": 18, "m": 1}  # more quads than lie in a row of a compute shader's texture
GLES = ("--gpu-api=opengl", "--opengl-es=yes")
GL = ("--gpu-api=opengl", "--opengl-es=no")


@pytest.fixture(scope="module")
def luma():
    """A detail of a photograph, 45x37, no multiple of a group of threads; limited range."""
    ((_, image),) = photographs(("chelsea.png",))
    y = np.asarray(image.convert("L").crop((60, 40, 105, 77)), float)
    return np.round(16 + y * 219 / 255).astype(np.uint8)


@pytest.fixture
def shader(tmp_path):
    return tmp_path / "fsrcnn.glsl"


def enlarged(network, luma, shader):
    """Through ffmpeg at 16 bits, with colour that rises by one a pixel to the right, and to the bottom.

    The luma as it came, and as the network gives it, in 0..255; both colours; what the log complains of.
    """
    height, width = luma.shape
    planes = 256 * np.stack([luma, *np.mgrid[:height, :width][::-1] + 100])
    large, complaints = players.ffmpeg(shader.parent, shader, planes, network.scale)
    full = 255 / 65535  # what libplacebo takes for 1, limited range or not
    return large[0] * full, output(network, planes[0] * full), large[1] / 256, large[2] / 256, complaints


@pytest.mark.parametrize(
    ("form", "scale", "shape"),
    [
        *((form, scale, SMALL) for form in FORMS for scale in (2, 3, 4)),
        ("compute", 2, WIDE),
        ("fragment", 2, MANY_FEATURES),
    ],
)
def test_ffmpeg_runs_any_network(shader, luma, form, scale, shape):
    players.require_ffmpeg()
    network = within_range(random_weights(scale, **shape), luma)
    shader.write_text(FORMS[form](network))
    y, expected, blue, red, complaints = enlarged(network, luma, shader)
    assert complaints == []
    assert players.psnr(y, expected) > 58
    border = np.pad(np.zeros(np.subtract(expected.shape, 8 * scale)), 4 * scale, constant_values=1) > 0
    assert players.psnr(y[border], expected[border]) > 58
    # An error of the mean is a shift in pixels.
    inner = slice(8 * scale, -8 * scale)
    x, y = ((np.arange(size) + 0.5) / scale - 0.5 + 100 for size in reversed(y.shape))
    assert np.abs((blue - x)[inner, inner].mean()) < 0.1
    assert np.abs((red - y[:, None])[inner, inner].mean()) < 0.1


def test_ffmpeg_runs_the_released_network(shader, luma):
    players.require_ffmpeg()
    network = released(4)
    shader.write_text(to_compute_shader(network))
    y, expected, _, _, complaints = enlarged(network, luma, shader)
    assert complaints == []
    assert players.psnr(y, expected) > 62


@pytest.mark.parametrize(("form", "options"), [("compute", GL), ("fragment", GLES)])
def test_mpv(shader, luma, form, options):
    """8-bit RGB alone costs: 60.2 dB; mpv reads textures at medium precision with OpenGL ES."""
    players.require_mpv()
    network = within_range(random_weights(2, **SMALL), luma)
    shader.write_text(FORMS[form](network))
    y, complaints = players.mpv(shader.parent, shader, luma, network.scale, *options)
    assert complaints == []
    assert players.psnr(y, output(network, luma)) > 58


def test_the_log_tells_of_a_shader_that_does_not_compile(shader, luma):
    players.require_ffmpeg()
    network = within_range(random_weights(2, **SMALL), luma)
    shader.write_text(to_compute_shader(network).replace("vec4 feature;", "vec4 future;"))
    y, expected, _, _, complaints = enlarged(network, luma, shader)
    assert "'feature' : undeclared identifier" in complaints[0]
    assert players.psnr(y, expected) < 40


@pytest.mark.parametrize("form", FORMS)
def test_a_network_too_large_to_compile_is_refused(form):
    with pytest.raises(InputError, match=r"FSRCNN\(200, 60, 1\) has .* weights, more than"):
        FORMS[form](random_weights(2, d=200, s=60, m=1))


@pytest.mark.parametrize("form", FORMS)
def test_metadata_are_comments(form):
    network = random_weights(2, **SMALL)
    network.metadata["note"] = "a\n//!HOOK MAIN\nb"
    text = FORMS[form](network)
    assert "// note: a //!HOOK MAIN b\n" in text
    assert "\n//!HOOK MAIN" not in text
