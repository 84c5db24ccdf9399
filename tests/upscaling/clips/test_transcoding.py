"""Clips that cross the kinds: colour, depth, time, damage, fields."""

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest

from fsrcnn.cli import main
from tests.signals import heeded
from tests.upscaling.clips.making import av, pictures, pooled, read, tags, upscale, write, write_packets

HD, SD = (1, 1, 1), (6, 6, 6)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("given", "written"),
    [
        ((1, 1, 1, 1), None),
        ((2, 1, 1, 1), None),
        ((1, 6, 6, 6), None),
        ((2, 5, 5, 6), None),
        ((1, 9, 9, 14), None),
        ((1, 9, 9, 16), None),
        ((1, 9, 9, 18), None),
        ((1, 7, 7, 7), None),
        ((1, 5, 2, 2), (1, 5, 1, 1)),
        ((1, 2, 9, 16), (1, 6, 9, 16)),
        ((1, 9, 2, 2), (1, 9, 9, 1)),
    ],
)
@pytest.mark.parametrize(("codec", "pixels"), [("libx264", "yuv420p"), ("libx265", "yuv420p10le")])
def test_colour_tags(tmp_path, suffix, given, written, codec, pixels):
    source = write(tmp_path / f"a{suffix}", pictures(2), codec, pixels, tags=given)
    clip = upscale(source)
    assert tags(clip.frames[0]) == (written or given)
    assert clip.frames[0].format.name.replace("yuvj", "yuv") == pixels
    small, large = (c.frames[1].reformat(format="yuv444p") for c in (read(source), clip))
    for plane in range(3):
        a, b = (samples(frame, plane) for frame in (small, large))
        assert np.abs(b.reshape(48, 2, 64, 2).mean((1, 3)) - a).mean() < 4


def samples(frame, plane=0):
    p = frame.planes[plane]
    deep = "10" in frame.format.name
    rows = np.frombuffer(p, "<u2" if deep else np.uint8).reshape(p.height, -1)[:, : p.width]
    return rows.astype(float)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (64, 48, (1, 6, 1, 1)),
        (720, 480, (1, 6, 6, 6)),
        (720, 576, (1, 5, 5, 6)),
        (640, 578, (1, 1, 1, 1)),
        (1280, 720, (1, 1, 1, 1)),
    ],
)
def test_a_tag_that_is_missing_is_that_of_the_sources_size(tmp_path, width, height, expected):
    picture = np.zeros((height, width, 3), np.uint8)
    assert tags(upscale(write(tmp_path / "a.mkv", [picture])).frames[0]) == expected


# A red, a green and a blue field: a wrong matrix shows at once.
FLAG = np.repeat(np.repeat(np.uint8([[[230, 20, 20], [20, 230, 20], [20, 20, 230]]]), 48, 0), 24, 1)


@pytest.mark.parametrize(
    ("codec", "pixels", "given", "name"),
    [
        ("libx264rgb", "rgb24", "rgb24", "a.mkv"),
        ("libx264", "yuv444p", "rgb24", "a.mp4"),
        ("libx264", "yuv422p", "rgb24", "a.mp4"),
        ("ffv1", "bgr0", "rgb24", "a.mkv"),
        ("ffv1", "gbrp10le", "rgb24", "a.mkv"),
        ("png", "rgb24", "rgb24", "a.mov"),
        ("rawvideo", "bgr24", "rgb24", "a.avi"),
        ("rawvideo", "rgb555le", "rgb24", "a.avi"),
        ("rawvideo", "uyvy422", "rgb24", "a.mov"),
        ("mjpeg", "yuvj444p", "rgb24", "a.avi"),
        ("mjpeg", "yuvj420p", "rgb24", "a.mov"),
        ("prores_ks", "yuv422p10le", "rgb24", "a.mov"),
        ("mpeg4", "yuv420p", "rgb24", "a.avi"),
        ("libvpx", "yuv420p", "rgb24", "a.webm"),
        ("libvpx-vp9", "yuv420p", "rgb24", "a.webm"),
    ],
)
@pytest.mark.parametrize("scale", [2, 3])
def test_colours_of_every_kind_of_pixels(tmp_path, codec, pixels, given, name, scale):
    source = write(tmp_path / name, [FLAG] * 2, codec, pixels, given=given)
    frame = upscale(source, tmp_path / "b.mkv", scale).frames[0]
    seen = shown(frame)
    for field in range(3):
        y, x = 24, 24 * field + 12
        assert np.abs(seen[y * scale, x * scale] - FLAG[y, x]).max() < 10


def shown(frame):
    """RGB as a player shows it that reads the tags, and guesses as players do: small is BT.601."""
    matrix = {1: 1, 9: 9}.get(frame.colorspace, 5)
    return frame.reformat(format="rgb24", src_colorspace=matrix).to_ndarray().astype(float)


@pytest.mark.parametrize("siting", ["left", "center", "topleft", "top", "bottomleft", "bottom"])
@pytest.mark.parametrize(("codec", "pixels"), [("libx264", "yuv420p"), ("libx265", "yuv420p10le")])
def test_chroma_siting_is_kept(tmp_path, siting, codec, pixels):
    from fsrcnn.upscaling.clips.colour_tags import chroma_siting

    source = write(tmp_path / "a.mkv", pictures(1), codec, pixels, chroma_sample_location=siting)
    assert chroma_siting(read(source).frames[0]) == siting
    assert chroma_siting(upscale(source).frames[0]) == siting


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "ffv1"])
def test_variable_rate_and_the_last_duration(tmp_path, suffix, codec):
    if codec == "ffv1" and suffix != ".mkv":
        pytest.skip("FFV1 is for Matroska")
    stamps, lasts = [0, 100, 140, 1000, 1700], [100, 40, 860, 700, 900]
    source = write(tmp_path / f"a{suffix}", pictures(5), codec, stamps=stamps, lasts=lasts)
    clip = upscale(source)
    assert [frame.time for frame in clip.frames] == pytest.approx([s / 1000 for s in stamps], abs=0.002)
    for path in (source, source.with_name(f"a_x2{suffix}")):
        with av.open(str(path)) as container:
            assert container.duration / 1e6 == pytest.approx(2.6, abs=0.01)
    if suffix != ".mkv":  # which stores no durations but the whole
        assert float(clip.frames[-1].duration * clip.frames[-1].time_base) == pytest.approx(0.9)
        assert float(clip.video.duration * clip.video.time_base) == pytest.approx(2.6)


@pytest.mark.parametrize(
    "stamps",
    [
        [0, 100, 300, 200, 400, 500, 600, 700],
        [0, 100, 100, 300, 400, 500, 600, 700],
        [0, 300, 100, 200, 600, 400, 500, 700],
        [5000, 5100, 5200, 5300, 0, 100, 200, 300],
    ],
)
def test_wrong_stamps_are_mended_and_no_frame_is_lost(tmp_path, stamps):
    source = write_packets(tmp_path / "a.mkv", pictures(8), stamps)
    times = [frame.time for frame in upscale(source, tmp_path / "b.mp4").frames]
    assert len(times) == 8
    assert np.diff(times).min() > 0.02
    assert times[-1] - times[0] == pytest.approx(0.7, abs=0.02)


def motion_jpeg(path, count, damaged=()):
    """In Motion JPEG no frame needs another."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mjpeg", rate=10, options={"color_range": "pc"})
        video.width, video.height, video.pix_fmt = 192, 144, "yuvj420p"
        for i, picture in enumerate(pictures(count, 144, 192)):
            (packet,) = video.encode(av.VideoFrame.from_ndarray(picture, "rgb24"))
            if i in damaged:
                packet.update(b"\xff\xd8" + bytes(packet.size - 2))
            container.mux(packet)
    return path


@pytest.mark.parametrize("damaged", [(3,), (0,), (9,), (2, 3, 7)])
def test_damaged_frames(tmp_path, damaged, caplog):
    motion_jpeg(tmp_path / "a.avi", 10, damaged)
    clip = upscale(tmp_path / "a.avi", tmp_path / "b.mp4")
    assert len(clip.frames) == 10 - len(damaged)
    assert f"{len(damaged)} damaged frame{'s' * (len(damaged) > 1)} left out" in caplog.text
    assert caplog.text.count("\n") == 1


def test_nothing_but_damage_is_refused(tmp_path, capsys):
    source = motion_jpeg(tmp_path / "a.avi", 3, damaged=range(3))
    assert main(["upscale", str(source), "-o", str(tmp_path / "b.mp4")]) == 1
    assert "no frame of its video can be decoded" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.avi"]


@pytest.mark.parametrize("share", [0.4, 0.6, 0.9])
@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_a_file_that_ends_early(tmp_path, suffix, share):
    whole = motion_jpeg(tmp_path / f"a{suffix}", 20)
    source = tmp_path / f"cut{suffix}"
    size = int(share * whole.stat().st_size)
    source.write_bytes(whole.read_bytes()[:size])
    with av.open(whole) as container:  # of AVI, a third is its header
        there = sum(packet.pos + packet.size <= size for packet in container.demux() if packet.size)
    clip = upscale(source, tmp_path / "b.mkv")
    assert max(2, there - 1) <= len(clip.frames) < 20


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize(
    ("codec", "pixels", "scale"),
    [("libx264", "yuv420p", 2), ("mpeg4", "yuv420p", 3), ("libx264", "yuv420p10le", 2)],
)
def test_fields_of_a_moving_bar(tmp_path, suffix, order, codec, pixels, scale, caplog):
    images = []
    for i in range(8):
        image = np.full((48, 96, 3), 40, np.uint8)
        for field in range(2):
            left = 10 + 8 * i + 4 * (field if order == "tff" else 1 - field)
            image[field::2, left : left + 8] = 220
        images.append(image)
    flags = (
        {"flags": "+ilme+ildct", "x264-params": f"{order}=1"}
        if codec == "libx264"
        else {"flags": "+ilme+ildct"}
    )
    source = write(tmp_path / f"a{suffix}", images, codec, pixels, **flags)
    if not read(source).frames[0].interlaced_frame:
        pytest.skip("this encoder did not flag the frames")
    clip = upscale(source, scale=scale)
    assert len(clip.frames) == 8
    assert not any(frame.interlaced_frame for frame in clip.frames)
    assert "deinterlaced" in caplog.text
    middle = pooled(clip.frames[4], scale)[..., 0]
    assert (
        np.abs(middle[21:27:2] - middle[20:26:2]).mean()
        < np.abs(images[4][21:27:2, :, 0].astype(float) - images[4][20:26:2, :, 0]).mean() / 3
    )


def test_frames_of_another_size_become_the_firsts(tmp_path, caplog):
    """A recording of a window that grew."""
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_mux_stream("mjpeg", rate=10, width=64, height=48)
        video.time_base = Fraction(1, 1000)
        for i, (width, height) in enumerate([(64, 48), (96, 72)]):
            context = av.CodecContext.create("mjpeg", "w")
            context.width, context.height, context.pix_fmt, context.time_base = (
                width,
                height,
                "yuvj420p",
                Fraction(1, 10),
            )
            picture = pictures(1, height, width)[0]
            for packet in [
                *context.encode(av.VideoFrame.from_ndarray(picture, "rgb24")),
                *context.encode(None),
            ]:
                packet.stream, packet.pts, packet.dts, packet.time_base = (
                    video,
                    100 * i,
                    100 * i,
                    Fraction(1, 1000),
                )
                container.mux(packet)
    clip = upscale(tmp_path / "a.mkv")
    assert [(f.width, f.height) for f in clip.frames] == [(128, 96)] * 2
    assert "1 frame of another size brought to that of the first" in caplog.text


@pytest.mark.parametrize(
    ("codec", "pixels", "name"),
    [
        ("qtrle", "argb", "a.mov"),
        ("png", "rgba", "a.mov"),
        ("prores_ks", "yuva444p10le", "a.mov"),
        ("ffv1", "bgra", "a.mkv"),
        ("ffv1", "yuva420p", "a.mkv"),
        ("utvideo", "gbrap", "a.avi"),
        ("libvpx", "yuva420p", "a.webm"),
        ("libvpx-vp9", "yuva420p", "a.webm"),
    ],
)
def test_transparency(tmp_path, codec, pixels, name, capsys):
    picture = np.dstack([pictures(1)[0], np.tile(np.linspace(0, 255, 64), (48, 1)).astype(np.uint8)])
    extra = {"auto-alt-ref": "0"} if "vpx" in codec else {}
    source = write(tmp_path / name, [picture] * 2, codec, pixels, given="rgba", **extra)
    assert main(["upscale", str(source), "-o", str(tmp_path / "b.mp4")]) == 1
    assert "has transparency" in capsys.readouterr().err
    for suffix in (".mov", ".mkv"):
        frame = upscale(source, tmp_path / f"b{suffix}").frames[0]
        alpha = frame.to_ndarray(format="rgba")[..., 3].reshape(48, 2, 64, 2).mean((1, 3))
        assert np.abs(alpha - picture[..., 3]).mean() < 2.5


def test_a_playlist_in_disguise_reads_no_other_file(tmp_path, capsys):
    write(tmp_path / "secret.mp4", pictures(2))
    (tmp_path / "a.mp4").write_text(f"ffconcat version 1.0\nfile {tmp_path / 'secret.mp4'}\n")
    (tmp_path / "b.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'secret.mp4'}\n#EXT-X-ENDLIST\n")
    for name in ("a.mp4", "b.mp4"):
        assert main(["upscale", str(tmp_path / name)]) == 1
        assert f"{name}: not upscaled" in capsys.readouterr().err


def test_names_that_ffmpeg_takes_for_addresses(tmp_path):
    source = write(tmp_path / "plain.mkv", pictures(2)).rename(tmp_path / "12:30 %03d.mkv")
    assert len(upscale(source).frames) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle(tmp_path, number):
    source = write(tmp_path / "a.mkv", pictures(100, 96, 128, step=1))
    process = subprocess.Popen(
        [sys.executable, "-m", "fsrcnn", "upscale", str(source)],
        stderr=subprocess.DEVNULL,
        preexec_fn=heeded,
    )
    deadline = time.monotonic() + 60
    while not any(path.name.startswith(".a_x4") and path.stat().st_size for path in tmp_path.iterdir()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, number)
    assert process.wait(60) == {signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def test_a_disk_that_is_full(tmp_path):
    """Stood in for by the largest file that the process may write."""
    source = write(tmp_path / "a.mkv", pictures(20, 96, 128))
    script = """
import resource, signal, sys
from fsrcnn.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
sys.exit(main(["upscale", sys.argv[1]]))
"""
    done = subprocess.run([sys.executable, "-c", script, source], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "a_x4.mkv: can't be written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
