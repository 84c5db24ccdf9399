import numpy as np
import pytest

av = pytest.importorskip("av", reason="PyAV is not installed; pip install 'fsrcnn[video]'")

from fsrcnn.network.weights import released  # noqa: E402
from fsrcnn.upscaling.clips.colour_tags import SITINGS  # noqa: E402
from fsrcnn.upscaling.clips.frames import Form, form_of, upscale_chroma, upscale_luma  # noqa: E402
from fsrcnn.upscaling.colour import BLACK, RANGE  # noqa: E402
from fsrcnn.upscaling.image import Upscaler, released_upscaler  # noqa: E402


@pytest.mark.parametrize("bits", [8, 10])
def test_both_ranges_of_luma_are_the_networks(bits):
    upscaler, peak = Upscaler(released(2)), 2**bits - 1
    y = (
        np.random.default_rng(0)
        .integers(peak // 4, peak * 3 // 4, (20, 30))
        .astype(f"uint{8 if bits == 8 else 16}")
    )
    white = 255 << (bits - 8)
    network = lambda y: upscaler.backend(y[None, None].astype(np.float32))[0, 0]  # noqa: E731
    usual = (network(y / white) * white).clip(0, peak)
    assert np.abs(upscale_luma(y, False, bits, upscaler) - usual).max() < 0.51
    full = (network(y / peak * RANGE + BLACK) - BLACK) / RANGE * peak
    assert np.abs(upscale_luma(y, True, bits, upscaler) - full.clip(0, peak)).max() < 0.52


@pytest.mark.parametrize("subsampling", [(2, 2), (2, 1), (1, 1), (1, 2), (4, 1), (4, 4)])
@pytest.mark.parametrize("siting", SITINGS)
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_chroma_stays_beside_its_luma(backend, scale, siting, subsampling):
    # A slope over the luma's columns and rows, taken where H.273 puts chroma in the source ...
    across, down = subsampling
    right, below = SITINGS[siting]
    columns = across * np.arange(40) + right * (across - 1)
    rows = down * np.arange(24) + below * (down - 1)
    chroma = (200 + 2 * columns + rows[:, None]).astype(np.uint16)
    upscaler = released_upscaler(scale, "photo", backend)
    shape = 24 * down * scale // 2, 40 * across * scale // 2
    large = upscale_chroma(chroma, shape, subsampling, siting, 10, upscaler)
    # ... and where it puts it in the result, whose pixel X covers the source's from X/scale to (X+1)/scale.
    x = (2 * np.arange(shape[1]) + right + 0.5) / scale - 0.5
    y = (2 * np.arange(shape[0]) + below + 0.5) / scale - 0.5
    expected = 200 + 2 * x + y[:, None]
    inside = slice(3 * down * scale, -3 * down * scale), slice(3 * across * scale, -3 * across * scale)
    assert np.abs(large - expected)[inside].max() <= 1.5  # whole numbers in and out


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (5, 40), (37, 301)])
def test_chroma_of_both_ways_is_the_same_to_its_edges(height, width, bits):
    values = np.random.default_rng(0).integers(0, 1 << bits, (height, width + 5))
    chroma = values.astype(np.uint8 if bits == 8 else np.uint16)[:, :width]
    for scale, subsampling, siting in ((2, (1, 1), "left"), (3, (2, 2), "left"), (4, (4, 4), "bottom")):
        shape = height * subsampling[1] * scale // 2, width * subsampling[0] * scale // 2
        native, numpy = (
            upscale_chroma(
                chroma, shape, subsampling, siting, bits, released_upscaler(scale, "photo", backend)
            )
            for backend in ("native", "numpy")
        )
        assert native.shape == shape and native.dtype == chroma.dtype
        assert np.ptp([native, numpy], axis=0).max() <= 1  # where one half is rounded up and the other down
        assert (native != numpy).mean() < 0.01


@pytest.mark.parametrize(
    ("pixels", "form"),
    [
        ("yuvj422p", Form("yuv422p", 8, False, 2, 1)),
        ("nv12", Form("yuv420p", 8, False, 2, 2)),
        ("uyvy422", Form("yuv422p", 8, False, 2, 1)),
        ("yuv411p", Form("yuv411p", 8, False, 4, 1)),
        ("p010le", Form("yuv420p10le", 10, False, 2, 2)),
        ("yuv444p16be", Form("yuv444p10le", 10, False, 1, 1)),
        ("gray", Form("gray", 8, False, 2, 2)),
        ("gray12le", Form("gray10le", 10, False, 2, 2)),
        ("monob", Form("gray", 8, False, 2, 2)),
        ("pal8", Form("yuv444p", 8, False, 1, 1)),
        ("rgb555le", Form("yuv444p", 8, False, 1, 1)),
        ("bgr0", Form("yuv444p", 8, False, 1, 1)),
        ("gbrp12le", Form("yuv444p10le", 10, False, 1, 1)),
        ("yuva420p", Form("rgba", 8, True, 1, 1)),
        ("argb", Form("rgba", 8, True, 1, 1)),
        ("yuva444p12le", Form("rgba64le", 10, True, 1, 1)),
        ("ya8", Form("rgba", 8, True, 1, 1)),
    ],
)
def test_the_form_keeps_samples(pixels, form):
    assert form_of(av.VideoFormat(pixels, 64, 48)) == form
