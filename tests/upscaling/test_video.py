from fractions import Fraction

import numpy as np
import pytest
from skimage import data

from fsrcnn.cli import main

av = pytest.importorskip("av", reason="PyAV is not installed; pip install 'fsrcnn[video]'")
RATE = Fraction(24000, 1001)


def clip(path, width=64, height=48, frames=12, sound=True):
    photograph = data.astronaut()
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"crf": "1"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=44100) if sound else None
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(photograph[2 * i :, i:][:height, :width], format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio:
            wave = np.sin(np.arange(20 * 1024) / 10).astype(np.float32)
            for start in range(0, len(wave), 1024):
                frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], "fltp", "mono")
                frame.sample_rate, frame.pts = 44100, start
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def contents(path):
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
        rate = container.streams.video[0].average_rate
    with av.open(str(path)) as container:
        sound = [bytes(packet) for packet in container.demux(audio=0)] if container.streams.audio else []
    return frames, rate, sound


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_clip_keeps_pictures_times_and_sound(tmp_path, suffix, capsys):
    source = clip(tmp_path / f"a{suffix}")
    assert main(["upscale", str(source)]) == 0
    assert "12 frames in" in capsys.readouterr().err
    frames, rate, sound = contents(source)
    large, large_rate, large_sound = contents(tmp_path / f"a_x4{suffix}")
    assert (large_rate, large_sound) == (rate, sound)
    assert len(sound) > 10
    assert [time for time, _ in large] == pytest.approx([time for time, _ in frames], abs=0.002)
    for (_, small), (_, image) in zip(frames, large, strict=True):
        assert image.shape == (192, 256, 3)
        assert np.abs(image.reshape(48, 4, 64, 4, 3).mean((1, 3)) - small).mean() < 4


def test_quality_and_speed_of_the_encoder(tmp_path, capsys):
    """As x264 writes them into the file."""
    source, target = clip(tmp_path / "a.mp4"), tmp_path / "a_x2.mp4"
    main(["upscale", str(source), "--scale", "2"])
    usual = target.read_bytes()
    main(["upscale", str(source), "--scale", "2", "--force", "--crf", "30", "--preset", "medium"])
    given = target.read_bytes()
    assert b"crf=18.0" in usual and b"subme=1 " in usual
    assert b"crf=30.0" in given and b"subme=7 " in given
    assert len(given) < len(usual)
    for wrong in ("0", "52", "best"):
        with pytest.raises(SystemExit):
            main(["upscale", str(source), "--crf", wrong])
        assert "is not one of 1 to 51" in capsys.readouterr().err


def test_rotation_shape_and_colours_are_kept(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        video, audio = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=44100)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.sample_aspect_ratio = Fraction(4, 3)
        video.set_display_rotation(90)
        context = video.codec_context
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = 2, 1, 1, 1
        # Sound first, as many files have it.
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 44100
        container.mux([*audio.encode(sound), *audio.encode(None)])
        picture = av.VideoFrame.from_ndarray(data.astronaut()[:48, :64].copy(), "rgb24")
        container.mux([*video.encode(picture), *video.encode(None)])
    assert main(["upscale", str(path), "--scale", "2"]) == 0
    for name in ("a.mp4", "a_x2.mp4"):
        with av.open(str(tmp_path / name)) as container:
            frame = next(container.decode(video=0))
            assert frame.rotation == 90
            assert (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc) == (
                2,
                1,
                1,
                1,
            )
            assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_odd_size_at_x3_loses_the_last_line(tmp_path):
    source = clip(tmp_path / "a.mp4", 50, 38, frames=2, sound=False)
    # 4:2:0 H.264 has even sides; 4:4:4 may be odd, and is brought to 4:2:0.
    with av.open(str(tmp_path / "odd.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 51, 37, "yuv444p"
        container.mux(video.encode(av.VideoFrame.from_ndarray(data.astronaut()[:37, :51].copy(), "rgb24")))
        container.mux(video.encode(None))
    assert main(["upscale", str(source), "--scale", "3"]) == 0
    assert main(["upscale", str(tmp_path / "odd.mkv"), "--scale", "3"]) == 0
    assert contents(tmp_path / "a_x3.mp4")[0][0][1].shape == (114, 150, 3)
    assert contents(tmp_path / "odd_x3.mkv")[0][0][1].shape == (110, 152, 3)


@pytest.mark.parametrize("content", [b"", b"no clip at all"])
def test_what_is_no_clip(tmp_path, content, capsys):
    (tmp_path / "a.mp4").write_bytes(content)
    assert main(["upscale", str(tmp_path / "a.mp4")]) == 1
    assert "a.mp4: not upscaled" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_sound_alone_and_targets_of_another_kind(tmp_path, capsys):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        audio = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    assert main(["upscale", str(tmp_path / "a.mkv")]) == 1
    assert "no video in this file" in capsys.readouterr().err
    assert main(["upscale", str(tmp_path / "a.mkv"), "-o", str(tmp_path / "a.avi")]) == 1
    assert "clips are written as" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"]


def test_kinds_that_are_only_read_become_mp4(tmp_path):
    source = clip(tmp_path / "a.mp4", frames=2, sound=False).rename(tmp_path / "a.b.avi")
    assert main(["upscale", str(source), "--scale", "2"]) == 0
    assert main(["upscale", str(source), "--scale", "2", "-o", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.avi", "a.b.mp4", "a.b_x2.mp4"]


def test_without_pyav(tmp_path, monkeypatch, capsys):
    import sys

    source = clip(tmp_path / "a.mp4", frames=1, sound=False)
    monkeypatch.setitem(sys.modules, "av", None)
    assert main(["upscale", str(source)]) == 1
    assert "pip install 'fsrcnn[video]'" in capsys.readouterr().err
