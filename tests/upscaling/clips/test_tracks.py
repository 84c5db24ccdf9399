import numpy as np
import pytest

from fsrcnn.cli import main
from tests.upscaling.clips.making import av, pictures, read, upscale, with_sound, write


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    return write(tmp_path_factory.mktemp("silent") / "a.mkv", pictures(10))


# What the container can hold is copied to the byte, the rest becomes AAC.
@pytest.mark.parametrize(
    ("codec", "suffix", "kept"),
    [
        ("aac", ".mp4", True),
        ("aac", ".mov", True),
        ("aac", ".mkv", True),
        ("libmp3lame", ".mp4", True),
        ("ac3", ".mov", True),
        ("flac", ".mkv", True),
        ("pcm_s16le", ".mov", True),
        ("pcm_s24le", ".mkv", True),
        ("pcm_s16le", ".mp4", False),
        ("pcm_u8", ".mp4", False),
        ("pcm_u8", ".m4v", False),
        ("pcm_alaw", ".mp4", False),
        ("pcm_mulaw", ".mkv", False),
        ("adpcm_ms", ".mov", False),
        ("adpcm_ima_wav", ".mp4", False),
        ("wmav2", ".mov", False),
        ("wmav2", ".mkv", False),
        ("vorbis", ".mov", False),
        ("libopus", ".mov", False),
        ("flac", ".mov", False),
    ],
)
def test_sound(tmp_path, silent, codec, suffix, kept, caplog):
    home = ".mkv" if codec in ("aac", "flac", "vorbis", "libopus", "ac3", "pcm_s24le") else ".avi"
    rate = 48000 if codec == "libopus" else 44100
    source = with_sound(tmp_path / f"a{home}", silent, (codec, rate, "stereo", "eng"))
    given, clip = read(source), upscale(source, tmp_path / f"b{suffix}")
    sound = clip.streams[1]
    assert (sound.rate, sound.channels) == (rate, 2)
    if kept:
        assert sound.name == given.streams[1].name
        assert b"".join(map(bytes, clip.packets[1])) == b"".join(map(bytes, given.packets[1]))
        assert "becomes AAC" not in caplog.text
    else:
        assert sound.name == "aac"
        assert caplog.text.count("becomes AAC") == 1
        assert loudness(tmp_path / f"b{suffix}") == pytest.approx(loudness(source), rel=0.1)


def loudness(path):
    """The sound's root mean square and its seconds."""
    with av.open(str(path)) as container:
        wave = np.concatenate(
            [f.to_ndarray().ravel() for r in [av.AudioResampler("flt")] for f in heard(container, r)]
        )
        return [np.sqrt(np.mean(wave**2)), len(wave) / container.streams.audio[0].rate / 2]


def heard(container, resampler):
    for frame in container.decode(audio=0):
        yield from resampler.resample(frame)


@pytest.mark.parametrize(
    ("rate", "layout"), [(8000, "mono"), (11025, "mono"), (48000, "5.1"), (192000, "stereo")]
)
def test_rates_and_loudspeakers_of_aac(tmp_path, silent, rate, layout):
    source = with_sound(tmp_path / "a.avi", silent, ("pcm_s32le", rate, layout, "und"))
    sound = upscale(source, tmp_path / "b.mp4").streams[1]
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    assert (sound.name, sound.rate, sound.channels) == ("aac", min(rate, 96000), channels)


def test_every_track_its_language_and_the_one_to_play(tmp_path, silent):
    tracks = [
        ("aac", 44100, "stereo", "jpn"),
        ("ac3", 44100, "stereo", "eng"),
        ("pcm_s16le", 44100, "mono", "fra"),
    ]
    source = with_sound(tmp_path / "a.mkv", silent, *tracks)
    for suffix, names in {".mkv": ["aac", "ac3", "pcm_s16le"], ".mp4": ["aac", "ac3", "aac"]}.items():
        clip = upscale(source, tmp_path / f"b{suffix}")
        assert [(s.name, s.language) for s in clip.streams[1:]] == list(
            zip(names, ["jpn", "eng", "fra"], strict=True)
        )


def described(path, silent, **metadata):
    """A clip with a title of its own encoding, two chapters, an attachment and a second video."""
    with av.open(str(silent)) as given, av.open(str(path), "w", metadata_errors="surrogateescape") as made:
        streams = [made.add_stream_from_template(given.streams.video[0], opaque=True) for _ in range(2)]
        streams[0].disposition = av.stream.Disposition.default
        streams[0].metadata["title"] = "the picture"
        made.metadata.update(metadata)
        made.set_chapters(
            [
                {
                    "id": i,
                    "start": 400 * i,
                    "end": 400 * i + 400,
                    "time_base": streams[0].time_base,
                    "metadata": {"title": t},
                }
                for i, t in enumerate(["Dawn", "Noon"])
            ]
        )
        made.add_attachment("a.ttf", "application/x-truetype-font", b"letters")
        for packet in given.demux(video=0):
            if packet.size:
                for stream in streams:
                    packet.stream = stream
                    made.mux(packet)
    return path


def test_what_can_not_be_kept_is_named_in_one_line(tmp_path, silent, caplog):
    source = described(tmp_path / "a.mkv", silent, title="Day", mood="calm")
    clip = upscale(source, tmp_path / "b.mp4")
    assert [chapter["metadata"]["title"] for chapter in clip.chapters] == ["Dawn", "Noon"]
    assert clip.metadata["title"] == "Day"
    (line,) = [record.getMessage() for record in caplog.records]
    for lost in (
        "video track 1 (h264) left out",
        "attachment track 2 (a.ttf) left out",
        ".mp4 can't keep mood",
    ):
        assert lost in line
    caplog.clear()
    clip = upscale(source, tmp_path / "b.mkv")
    assert (clip.metadata["title"], clip.metadata["MOOD"]) == ("Day", "calm")
    assert clip.video.metadata["title"] == "the picture"
    assert [(s.name, s.data) for s in clip.streams if s.type == "attachment"] == [("a.ttf", b"letters")]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith("a.mkv: video track 1 (h264) left out")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_titles_in_old_encodings(tmp_path, silent, suffix):
    source = described(tmp_path / "a.mkv", silent, title="Stra\udce9e")
    assert main(["upscale", str(source), "-o", str(tmp_path / f"b{suffix}"), "--scale", "2"]) == 0
    with av.open(str(tmp_path / f"b{suffix}"), metadata_errors="surrogateescape") as container:
        assert container.metadata["title"] == "Stra\udce9e"


@pytest.mark.parametrize(
    ("before", "after"), [(".mp4", ".mkv"), (".mkv", ".mp4"), (".mkv", ".mkv"), (".mp4", ".mp4")]
)
def test_covers(tmp_path, silent, before, after, caplog):
    picture = encoded_picture()
    source = tmp_path / f"a{before}"
    with av.open(str(silent)) as given, av.open(str(source), "w") as made:
        video = made.add_stream_from_template(given.streams.video[0], opaque=True)
        if before == ".mkv":
            made.add_attachment("cover.jpg", "image/jpeg", picture)
        else:
            cover = made.add_mux_stream("mjpeg", width=64, height=48)
            cover.disposition = av.stream.Disposition.attached_pic
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = video
                made.mux(packet)
        if before == ".mp4":
            packet = av.Packet(picture)
            packet.stream, packet.pts, packet.dts = cover, 0, 0
            made.mux(packet)
    clip = upscale(source, tmp_path / f"b{after}")
    assert [bytes(packet) for packet in clip.packets[1]] == [picture]
    assert clip.streams[1].disposition & av.stream.Disposition.attached_pic
    assert not caplog.text


def test_a_cover_that_mov_has_no_place_for(tmp_path, silent, caplog):
    source = tmp_path / "a.mkv"
    with av.open(str(silent)) as given, av.open(str(source), "w") as made:
        video = made.add_stream_from_template(given.streams.video[0], opaque=True)
        made.add_attachment("cover.jpg", "image/jpeg", encoded_picture())
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = video
                made.mux(packet)
    assert len(upscale(source, tmp_path / "b.mov").streams) == 1
    assert "video track 1 (mjpeg) left out" in caplog.text


def encoded_picture():
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 64, 48, "yuvj420p", 1
    packets = context.encode(av.VideoFrame.from_ndarray(pictures(1)[0], "rgb24")) + context.encode(None)
    return bytes(packets[0])
