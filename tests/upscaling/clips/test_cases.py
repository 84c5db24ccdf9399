"""Files that went wrong once, each for a kind; they lie in tests/cases."""

import shutil
from fractions import Fraction

import numpy as np
import pytest

from fsrcnn.cli import main
from tests.upscaling.clips.making import CASES, av, pooled, read, tags, upscale


def case(tmp_path, name):
    return shutil.copy(CASES / name, tmp_path / name)


def test_sound_that_mp4_has_not_becomes_aac(tmp_path, caplog):
    source = case(tmp_path, "camera_mjpeg.avi")
    clip, given = upscale(source, tmp_path / "a.mp4"), read(source)
    sound = clip.streams[1]
    assert (sound.name, sound.rate, sound.layout.name) == ("aac", 11025, "mono")
    assert "sound track 1 (pcm_u8) becomes AAC" in caplog.text
    before, after = (heard(path) for path in (source, tmp_path / "a.mp4"))
    assert len(after) == pytest.approx(len(before), abs=1024)
    # AAC is not exact, but the same tone at the same place.
    length = min(len(before), len(after))
    assert np.corrcoef(before[:length], after[:length])[0, 1] > 0.95
    assert len(clip.frames) == len(given.frames) == 15
    assert tags(clip.frames[0])[:2] == tags(given.frames[0])[:2]
    for small, large in zip(given.frames, clip.frames, strict=True):
        assert np.abs(pooled(large, 2) - small.to_ndarray(format="rgb24")).mean() < 4


def heard(path):
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono")
        return np.concatenate(
            [
                part.to_ndarray()[0]
                for frame in container.decode(audio=0)
                for part in resampler.resample(frame)
            ]
        )


def test_rgb_is_tagged_as_what_it_becomes(tmp_path):
    source = case(tmp_path, "screen_rgb.mkv")
    clip = upscale(source)
    frame = clip.frames[0]
    assert frame.format.name == "yuv420p"
    assert tags(frame) == (1, 1, 1, 13)
    small = read(source).frames[0].to_ndarray(format="rgb24")
    assert np.abs(pooled(frame, 2) - small).mean() < 2.5


def test_interlaced_becomes_progressive(tmp_path, caplog):
    source = case(tmp_path, "interlaced_dv.mkv")
    clip, given = upscale(source), read(source)
    assert given.frames[0].interlaced_frame
    assert not any(frame.interlaced_frame for frame in clip.frames)
    assert [frame.time for frame in clip.frames] == pytest.approx(
        [frame.time for frame in given.frames], abs=0.002
    )
    assert clip.video.sample_aspect_ratio == Fraction(64, 45)
    assert "deinterlaced" in caplog.text
    assert (
        combs(clip.frames[5].to_ndarray(format="gray")[::2])
        < combs(given.frames[5].to_ndarray(format="gray")) / 3
    )


def combs(luma):
    """How much more neighbouring rows differ than those of one field."""
    luma = luma.astype(float)
    return max(0, np.abs(luma[1:] - luma[:-1]).mean() - np.abs(luma[2:] - luma[:-2]).mean())


def test_one_damaged_frame_is_left_out_and_named(tmp_path, caplog):
    clip = upscale(case(tmp_path, "dashcam_bad_frame.avi"), tmp_path / "a.mp4")
    assert len(clip.frames) == 29
    assert "1 damaged frame left out" in caplog.text
    assert float(clip.video.duration * clip.video.time_base) == pytest.approx(3.0)


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_transparency_is_kept_where_the_container_can(tmp_path, suffix):
    source = case(tmp_path, "alpha_sticker.mov")
    clip, given = upscale(source, tmp_path / f"a{suffix}"), read(source)
    for small, large in zip(given.frames, clip.frames, strict=True):
        alpha, large_alpha = (
            frame.to_ndarray(format="rgba")[..., 3].astype(float) for frame in (small, large)
        )
        assert np.abs(large_alpha.reshape(120, 2, 160, 2).mean((1, 3)) - alpha).mean() < 1
        inside = (alpha == 255) & (large_alpha[::2, ::2] == 255)
        assert np.abs(pooled(large, 2) - small.to_ndarray(format="rgb24"))[inside].mean() < 3


def test_transparency_is_refused_where_it_cannot(tmp_path, capsys):
    source = case(tmp_path, "alpha_sticker.mov")
    assert main(["upscale", str(source), "-o", str(tmp_path / "a.mp4")]) == 1
    assert "this clip has transparency; choose .mov or .mkv with -o" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_ten_bits_of_hdr_and_their_data(tmp_path, suffix):
    source = case(tmp_path, "hdr10.mp4")
    clip, given = upscale(source, tmp_path / f"a{suffix}"), read(source)
    before, after = given.frames[0], clip.frames[0]
    assert after.format.name == "yuv420p10le"
    assert tags(after) == tags(before) == (1, 9, 9, 16)
    for kind in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"):
        assert light(after, kind) == pytest.approx(light(before, kind))
    small, large = (
        np.frombuffer(f.planes[0], "<u2").reshape(-1, f.planes[0].line_size // 2) for f in (before, after)
    )
    difference = large[:240, :320].reshape(120, 2, 160, 2).mean((1, 3)) - small[:120, :160]
    assert np.abs(difference).mean() < 8


def light(frame, kind):
    values = np.frombuffer(bytes(frame.side_data[kind]), np.int32)
    return list(values[:20:2] / values[1:20:2] if kind.startswith("MASTERING") else values[:2])


def test_a_film_keeps_its_tracks(tmp_path, caplog):
    source = case(tmp_path, "film.mkv")
    clip, given = upscale(source), read(source)
    assert [s.name for s in clip.streams] == [s.name for s in given.streams]
    assert [s.language for s in clip.streams] == [None, "jpn", "eng", "eng"]
    assert [s.disposition for s in clip.streams] == [s.disposition for s in given.streams]
    for index in (1, 2, 3):
        before, after = given.packets[index], clip.packets[index]
        assert [bytes(p) for p in after] == [bytes(p) for p in before]
        assert [p.pts for p in after] == [p.pts for p in before]
    assert [c["metadata"]["title"] for c in clip.chapters] == ["One", "Two"]
    assert clip.metadata["title"] == "Holiday"
    assert clip.metadata["ARTIST"] == "Somebody"
    assert not caplog.text


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v"])
def test_a_film_in_another_container(tmp_path, suffix, caplog):
    source = case(tmp_path, "film.mkv")
    clip = upscale(source, tmp_path / f"a{suffix}")
    kept = [(s.name, s.language) for s in clip.streams[1:4]]
    assert kept == [("aac", "jpn"), ("aac", "eng"), ("mov_text", "eng")]
    assert [c["metadata"]["title"] for c in clip.chapters] == ["One", "Two"]
    assert clip.metadata["title"] == "Holiday"
    said = [p for p in clip.packets[3] if p.size > 2]
    assert [bytes(p)[2:] for p in said] == [b"Hello"]
    assert [float(p.pts * p.time_base) for p in said] == pytest.approx([0.123])
    assert "subtitles track 3 (srt) becomes plain text" in caplog.text
