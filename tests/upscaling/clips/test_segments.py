"""Clips in segments: the same frames as in one pass, killed and resumed, joined without a trace."""

import itertools
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fsrcnn.cli import main
from fsrcnn.errors import InputError
from fsrcnn.upscaling.image import released_upscaler
from fsrcnn.upscaling.planning import Encoding

pytest.importorskip("av", reason="PyAV is not installed; pip install 'fsrcnn[video]'")

from fsrcnn.upscaling.clips import segments, survey, work
from fsrcnn.upscaling.clips.colour_tags import chroma_siting
from fsrcnn.upscaling.clips.encoding import light_of
from fsrcnn.upscaling.clips.reading import opened
from fsrcnn.upscaling.clips.source import Source
from tests.upscaling.clips.making import (
    pictures,
    read,
    tags,
    upscale,
    with_sound,
    write,
    write_packets,
)

SHORT = 10  # frames of a segment
SCRIPT = f"""
import sys
from fsrcnn.cli import main
from fsrcnn.upscaling.clips import work
work.LENGTH = {SHORT}
sys.exit(main(["upscale", *sys.argv[1:]]))
"""


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(work, "LENGTH", SHORT)


@pytest.fixture
def written(monkeypatch):
    """The numbers of the segments that were written, as they are."""
    numbers, write_segment = [], segments.write_segment

    def spied(job, number, *rest):
        numbers.append(number)
        write_segment(job, number, *rest)

    monkeypatch.setattr(segments, "write_segment", spied)
    return numbers


def begun(source, target, quality=Encoding()):  # noqa: B008
    return work.begin(source, target, released_upscaler(2, "photo", "auto"), quality)


def resume(source, target, *options):
    assert main(["upscale", str(source), "-o", str(target), "--scale", "2", "--resume", *options]) == 0
    return read(target)


def fields(path):
    """A bar that moves, each field at its own time."""
    images = [np.full((48, 64, 3), 40, np.uint8) for _ in range(35)]
    for i, image in enumerate(images):
        for field in range(2):
            image[field::2, i + field :][:, :8] = 220
    return write(path, images, flags="+ilme+ildct", **{"x264-params": "tff=1:keyint=8"})


def damaged(path):
    source = write(path, pictures(35), "mpeg4", bf="2", g="8", qscale="3")
    data = bytearray(source.read_bytes())
    for share in (0.3, 0.5, 0.8):
        data[int(share * len(data)) :][:40] = bytes(40)
    source.write_bytes(data[: int(0.95 * len(data))])
    return source


def variable(path):
    stamps = [40 * i + 9 * (i % 3) for i in range(35)]
    return write(path, pictures(35), stamps=stamps, lasts=[33] * 35, bf="2", g="8")


def swapped(path):
    return write_packets(path, pictures(35), [100 * i + 150 * (i % 3 == 1) for i in range(35)])


def anew(path):
    return write_packets(path, pictures(35), [100 * (i % 20) for i in range(35)])


X264 = "x264-params"
KINDS = {
    "B frames.mp4": lambda path: write(path, pictures(35), bf="2", g="8"),
    "variable.mkv": variable,
    "open GOP.mp4": lambda path: write(path, pictures(35), **{X264: "open-gop=1:keyint=8:bframes=3"}),
    "intra refresh.mkv": lambda path: write(path, pictures(35), **{X264: "intra-refresh=1:keyint=8"}),
    "HEVC.mkv": lambda path: write(path, pictures(35), "libx265", "yuv420p10le", bf="3", g="8"),
    "VP9.webm": lambda path: write(path, pictures(35), "libvpx-vp9", g="8"),
    "MPEG-4.avi": lambda path: write(path, pictures(35), "mpeg4", bf="2", g="8"),
    "PNG.mov": lambda path: write(path, pictures(35), "png", "rgb24"),
    "fields.mp4": fields,
    "damaged.avi": damaged,
    "swapped.mkv": swapped,
    "anew.mkv": anew,
}


@pytest.mark.parametrize("name", KINDS)
def test_segments_have_the_frames_of_one_pass(tmp_path, name, monkeypatch):
    source = KINDS[name](tmp_path / name)
    with opened(source) as given:
        expected = [(*planes(frame), frame.pts, frame.duration) for frame in Source(given, source).pictures]
    job = begun(source, tmp_path / "b.mkv")
    assert len(job.segments) == -(-len(expected) // SHORT)
    counted = []

    def islice(frames, number, stop):
        counted.append(number)
        return itertools.islice(frames, number, stop)

    monkeypatch.setattr(survey, "islice", islice)
    found = []
    for number in range(len(job.segments)):
        wanted = job.frames(number)
        start = expected[wanted.start][-2]
        with opened(source) as given:
            frames = segments._pictures(job, wanted, Source(given, source))
            found += [(*planes(frame), frame.pts + start, frame.duration) for frame in frames]
    assert found == expected
    # Where stamps are right, only the first segment is reached by decoding all before it.
    assert counted == {"swapped.mkv": [0, 8], "anew.mkv": [0, 28]}.get(name, [0])


def planes(frame):
    return [bytes(plane) for plane in frame.planes]


def contents(clip):
    """All that a player gets of the picture but for its samples, and all of the sound."""
    frames = [(frame.pts, frame.time_base, frame.duration, tags(frame)) for frame in clip.frames]
    packets = [(bytes(packet), packet.pts, packet.dts, packet.duration) for packet in clip.packets.get(1, ())]
    video, codec = clip.video, clip.video.codec_context
    names = [stream.name for stream in clip.streams]
    return (
        *(frames, packets, names, video.duration, video.average_rate, video.sample_aspect_ratio),
        *(codec.codec_tag, codec.pix_fmt, codec.width, codec.height, clip.frames[0].rotation),
        *([stream.metadata for stream in clip.streams], clip.metadata, clip.chapters),
        *(chroma_siting(clip.frames[0]), light_of(clip.frames[0])),
    )


LIGHT = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"


@pytest.mark.parametrize(
    ("codec", "pixels", "name", "target"),
    [
        ("libx264", "yuv420p", "a.mp4", "b.mp4"),
        ("libx264", "yuv420p", "a.mp4", "b.mkv"),
        ("libx265", "yuv420p10le", "a.mkv", "b.mp4"),
        ("mpeg4", "yuv420p", "a.avi", "b.mp4"),
        ("png", "rgba", "a.mov", "b.mov"),
    ],
)
def test_joined_without_a_trace(tmp_path, codec, pixels, name, target, caplog):
    stamps = [40 * i + 9 * (i % 3) for i in range(24)]
    options = {"tags": (1, 9, 9, 16), "chroma_sample_location": "topleft"} if "yuv" in pixels else {}
    if codec == "libx265":
        options["x265-params"] = f"lossless=1:log-level=none:{LIGHT}"
    silent = write(
        tmp_path / f"s.{name}", pictures(24), codec, pixels, stamps=stamps, lasts=[40] * 24, **options
    )
    sound = ("libmp3lame", 44100, "stereo", "fre")
    source = with_sound(tmp_path / name, silent, sound)
    plain = upscale(source, tmp_path / f"plain.{target}")
    said = caplog.text
    caplog.clear()
    made = resume(source, tmp_path / target)
    assert contents(made) == contents(plain)
    assert bool(light_of(made.frames[0])) == (codec == "libx265")
    assert sorted(caplog.text.split("; ")) == sorted(said.split("; "))
    for frame, other in zip(made.frames, plain.frames, strict=True):
        a, b = (f.to_ndarray(format="rgb24").astype(int) for f in (frame, other))
        assert np.abs(a - b).mean() < 4
    assert {path.name for path in tmp_path.iterdir()} == {silent.name, name, target, f"plain.{target}"}


def test_killed_and_resumed(tmp_path, written):
    silent = write(tmp_path / "s.mp4", pictures(65), bf="2", g="8")
    source = with_sound(tmp_path / "a.mp4", silent, ("aac", 44100, "stereo", "eng"))
    whole, target = tmp_path / "whole.mp4", tmp_path / "b.mp4"
    resume(source, whole)
    assert written == list(range(7))
    written.clear()
    folder = tmp_path / ".b.mp4.fsrcnn"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, source, "-o", target, "--scale", "2", "--resume"],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (folder / "000001.mp4").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not target.exists()
    finished = len(list(folder.glob("0*.mp4")))
    resume(source, target)
    assert written == list(range(finished, 7))
    assert target.read_bytes() == whole.read_bytes()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("room", "finished"), [(25_000, [0]), (70_000, [0, 1, 2])], ids=["for a segment", "for all of them"]
)
def test_a_full_disk_and_resumed(tmp_path, written, capsys, room, finished):
    """The largest file that the process may write stands for the disk: a segment, or all, has no room."""
    noise = np.random.default_rng(0).integers(0, 256, (25, 48, 64, 3), np.uint8)
    noise[:10] = 40
    source, target = write(tmp_path / "a.mkv", list(noise)), tmp_path / "b.mp4"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        assert main(["upscale", str(source), "-o", str(target), "--scale", "2", "--resume"]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    line, summary = capsys.readouterr().err.splitlines()
    assert "b.mp4: can't be written (File too large)" in line
    assert summary.startswith("0 of 1 files")
    folder = tmp_path / ".b.mp4.fsrcnn"
    assert {path.name for path in tmp_path.iterdir()} == {"a.mkv", folder.name}
    assert {path.name for path in folder.iterdir()} == {"plan.json", *(f"{n:06}.mp4" for n in finished)}
    written.clear()
    assert len(resume(source, target).frames) == 25
    assert written == [n for n in range(3) if n not in finished]
    assert {path.name for path in tmp_path.iterdir()} == {"a.mkv", "b.mp4"}


def test_segments_of_something_else_are_not_taken(tmp_path, written, caplog):
    source, target = write(tmp_path / "a.mp4", pictures(15)), tmp_path / "b.mp4"
    upscaler = released_upscaler(2, "photo", "auto")
    segments.write_segment(begun(source, target), 0, upscaler)
    written.clear()
    write(source, pictures(15, step=1))
    resume(source, target)
    assert written == [0, 1]
    assert caplog.text.count("begun anew") == 1
    target.unlink()
    for options in ((), ("--crf", "30"), ("--crf", "30", "--for", "clean")):
        written.clear()
        caplog.clear()
        segments.write_segment(begun(source, target), 0, upscaler)
        written.clear()
        resume(source, target, *options, "--force")
        assert written == ([0, 1] if options else [1])
        assert caplog.text.count("begun anew") == bool(options)


def test_a_source_that_changes_on_the_way(tmp_path):
    source = write(tmp_path / "a.mkv", pictures(25))
    job = begun(source, tmp_path / "b.mkv")
    write(source, pictures(12))
    with pytest.raises(InputError, match="changed while"):
        segments.write_segment(job, 1, released_upscaler(2, "photo", "auto"))
    assert not job.segments[1].exists()


def test_segments_of_another_encoder_are_not_joined(tmp_path):
    source, target = write(tmp_path / "a.mkv", pictures(15)), tmp_path / "b.mkv"
    job, upscaler = begun(source, target), released_upscaler(2, "photo", "auto")
    segments.write_segment(job, 0, upscaler)
    segments.write_segment(job._replace(quality=Encoding(preset="medium")), 1, upscaler)
    with pytest.raises(InputError, match="another encoder"):
        segments.finish(job)
    assert not target.exists()
