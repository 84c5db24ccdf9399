"""What is given to workers, and in which order, whatever comes of it."""

from pathlib import Path

import pytest
from tqdm import tqdm

from fsrcnn.upscaling.planning import Job
from fsrcnn.upscaling.tasks import ATTEMPTS, Outcome, Task, Tasks

PICTURE, CLIP, OTHER = (Job(Path(name), Path("out", name)) for name in ("a.png", "b.mp4", "c.png"))
DONE, FAILED = Outcome(0, ""), Outcome(None, "wrong\n")


@pytest.fixture
def tasks():
    return Tasks([PICTURE, CLIP, OTHER], tqdm(total=0, disable=True))


def test_segments_go_first_and_are_joined_when_all_are_there(tasks, capsys):
    picture, clip = tasks.take(2)
    assert tasks.take(0) == []
    assert tasks.ended(picture, Outcome(12, "its network\n"))
    assert not tasks.ended(clip, Outcome(0, "its network\n", (1, 2)))
    first, second, other = tasks.take(9)
    assert (first, second, other) == (Task(CLIP, 1), Task(CLIP, 2), Task(OTHER))
    assert not tasks.ended(second, Outcome(0, "its network\nnews\n"))
    assert tasks.take(9) == []
    assert not tasks.ended(first, Outcome(0, "its network\n"))
    (last,) = tasks.take(9)
    assert last.job == CLIP and last.segment is None and last.spent > 0
    assert tasks.ended(last, Outcome(0, "its network\nthe end\n"))
    assert tasks.ended(other, DONE)
    assert tasks.take(9) == []
    assert capsys.readouterr().err == "its network\nits network\nnews\nthe end\n"


def test_segments_that_are_gone_when_it_is_joined_are_written_again(tasks):
    _, clip, _ = tasks.take(3)
    tasks.ended(clip, DONE._replace(segments=(0, 1)))
    for task in tasks.take(9):
        tasks.ended(task, DONE)
    (last,) = tasks.take(9)
    assert not tasks.ended(last, DONE._replace(segments=(0, 1)))
    assert tasks.take(9) == [Task(CLIP, 0), Task(CLIP, 1)]


def test_a_clip_of_which_a_segment_fails_has_ended(tasks):
    _, clip, _ = tasks.take(3)
    tasks.ended(clip, DONE._replace(segments=(0, 1, 2)))
    (first,) = tasks.take(1)
    assert tasks.ended(first, FAILED)
    assert tasks.take(9) == []


def test_what_kills_its_workers_is_given_up(tasks, capsys):
    picture, _, _ = tasks.take(3)
    for _ in range(ATTEMPTS - 1):
        assert not tasks.died(picture, "killed")
        (picture,) = tasks.take(9)
    assert tasks.died(picture, "killed")
    assert tasks.take(9) == []
    said = capsys.readouterr().err.splitlines()
    assert said[:-1] == ["fsrcnn: a.png: its worker died; it is given to another"] * (ATTEMPTS - 1)
    assert said[-1] == f"fsrcnn: a.png: not upscaled (its worker died {ATTEMPTS} times: killed)"
