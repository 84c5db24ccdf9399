from types import SimpleNamespace

import pytest

av = pytest.importorskip("av", reason="PyAV is not installed; pip install 'fsrcnn[video]'")

from fractions import Fraction  # noqa: E402

from fsrcnn.upscaling.clips.timing import Clock, mended  # noqa: E402


def mend(stamps, dts=None):
    """Stamps of frames that follow each other by 100, in thousandths of a second."""
    frames = [
        SimpleNamespace(pts=stamp, dts=None if dts is None else dts[i], duration=0, number=i)
        for i, stamp in enumerate(stamps)
    ]
    done = list(mended(frames, step=100, second=1000))
    assert [frame.number for frame in done] == list(range(len(stamps)))
    assert all(frame.duration == 100 for frame in done)
    return [frame.pts for frame in done]


NORMAL = list(range(0, 2000, 100))


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        (NORMAL, NORMAL),
        ([0, 40, 1000, 1040, 5000], [0, 40, 1000, 1040, 5000]),  # variable rate
        ([0, 100, 300, 200, 400], [0, 100, 200, 300, 400]),  # swapped
        ([0, 300, 100, 200, 600, 400, 500], [0, 100, 200, 300, 400, 500, 600]),  # times of decoding
        ([0, 100, 100, 300], [0, 100, 150, 300]),  # twice the same
        ([None, None, None], [0, 100, 200]),
        ([500, None, 700, None], [500, 600, 700, 800]),
        ([*NORMAL, *NORMAL], list(range(0, 4000, 100))),  # a clock that starts anew
        ([5000, 5100, 0, 100, 200], [5000, 5100, 5200, 5300, 5400]),
        ([0, 100, 99_000_000, 300, 400], [0, 100, 200, 300, 400]),  # one far off
        ([7000, 7100, 3, 7300, 7400, 7500], [7000, 7100, 7200, 7300, 7400, 7500]),
    ],
)
def test_stamps_increase_and_stay_where_they_are_right(stamps, expected):
    assert mend(stamps) == expected


def test_times_of_decoding_stand_in():
    assert mend([None, None, 300], dts=[100, 200, 300]) == [100, 200, 300]


def packets(stamps):
    made = []
    for stamp in stamps:
        packet = av.Packet(4)
        packet.pts = packet.dts = stamp
        packet.duration, packet.time_base = 20, Fraction(1, 1000)
        made.append(packet)
    return made


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0, 20, 40], [0, 20, 40]),
        ([0, 20, 20, 60], [0, 20, 21, 60]),
        ([0, None, None, 60], [0, 20, 40, 60]),
        ([9000, 9020, 0, 20], [9000, 9020, 9040, 9060]),
    ],
)
def test_packets_of_other_tracks(stamps, expected):
    clock = Clock()
    made = packets(stamps)
    for packet in made:
        clock.mend(packet)
    assert [packet.dts for packet in made] == [packet.pts for packet in made] == expected
