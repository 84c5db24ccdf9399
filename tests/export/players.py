"""Players that run a hook shader without a screen, on the processor: ffmpeg on lavapipe, mpv under Xvfb."""

import re
import shutil
import subprocess
from functools import cache

import numpy as np
import pytest
from PIL import Image

TIMEOUT = 900  # seconds; compiling a shader takes ten of processor time

# Without -noreset the server starts anew when its last client leaves, and mpv, which leaves and comes back
# while it looks for a driver, now and then finds it closed.
DISPLAY = ["xvfb-run", "-a", "-s", "-screen 0 640x480x24 -noreset"]
DEVICE = ["-hide_banner", "-init_hw_device", "vulkan=vk:llvmpipe", "-filter_hw_device", "vk"]


def ffmpeg(folder, shader, planes, scale):
    """Planes (3, h, w) of 16-bit limited-range YCbCr, enlarged: the same, (3, h * scale, w * scale).

    And the lines of the log that complain.
    """
    _, height, width = planes.shape
    (folder / "in.yuv").write_bytes(planes.astype("<u2").tobytes())
    source = f"-f rawvideo -pix_fmt yuv444p16le -s {width}x{height} -color_range tv -colorspace smpte170m"
    enlarge = f"w=iw*{scale}:h=ih*{scale}:dithering=none:custom_shader_path={shader.name}"
    target = "-frames:v 1 -f rawvideo out.raw"
    log = _run(
        folder,
        ["ffmpeg", "-y", *DEVICE, *source.split(), "-i", "in.yuv", "-vf", _graph(enlarge), *target.split()],
    )
    large = np.fromfile(folder / "out.raw", "<u2").reshape(3, height * scale, width * scale)
    return large, complaints(log)


def _graph(options):
    return f"format=yuv444p16,hwupload,libplacebo=format=yuv444p16le:{options},hwdownload,format=yuv444p16le"


def mpv(folder, shader, luma, scale, *options):
    """Grey 8-bit limited-range luma (h, w), enlarged: float (h * scale, w * scale) in 0..255, of 8-bit RGB.

    And the lines of the log that complain.
    """
    height, width = luma.shape
    planes = np.stack([luma, *[np.full_like(luma, 128)] * 2])
    (folder / "in.yuv").write_bytes(planes.tobytes())
    options = [
        *("--no-config", "--no-audio", "--frames=1", "--dither-depth=no", f"--glsl-shaders={shader.name}"),
        *("--demuxer=rawvideo", f"--demuxer-rawvideo-w={width}", f"--demuxer-rawvideo-h={height}"),
        "--demuxer-rawvideo-mp-format=yuv444p",
        "--vf-add=format=colorlevels=limited:colormatrix=bt.601:primaries=bt.709:gamma=bt.1886",
        f"--vf-append=gpu=w={width * scale}:h={height * scale}",
        *("--vo=image", "--vo-image-format=png"),
        *options,
    ]
    log = _run(folder, [*DISPLAY, "mpv", *options, "in.yuv"])
    with Image.open(folder / "00000001.png") as image:
        grey = np.asarray(image.convert("RGB"), float).mean(axis=2)
    return 16 + grey * 219 / 255, complaints(log)


def complaints(log):
    """What a player says of a shader that it leaves out; it goes on without it."""
    return [line for line in log.splitlines() if re.search("error|fail", line, re.IGNORECASE)]


def require_ffmpeg():
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed")
    if complaint := _refusal():
        pytest.skip(f"ffmpeg's libplacebo does not run on this processor (mesa-vulkan-drivers): {complaint}")


@cache
def _refusal():
    frame = ["-f", "lavfi", "-i", "nullsrc=s=16x16", "-frames:v", "1", "-vf", _graph("w=16")]
    done = subprocess.run(["ffmpeg", *DEVICE, *frame, "-f", "null", "-"], capture_output=True, text=True)
    return done.stderr.splitlines()[0] if done.returncode else None


def require_mpv():
    for program in ("mpv", "xvfb-run"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


def psnr(got, expected):
    return 10 * np.log10(255**2 / np.mean((got - expected) ** 2))


def _run(folder, command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
