"""Jobs that run ahead: in order, in all cores, in bounded memory, and each with its own fate."""

import threading
import time

import pytest

from fsrcnn.upscaling.ahead import Room, ahead

TIMEOUT = 20  # seconds, for what must not wait for ever


def doubled(job):
    return 1, lambda: job * 2


def test_results_come_in_order():
    def start(job):
        time.sleep((job % 3) / 200)
        return doubled(job)

    assert [(job, result()) for job, result in ahead(range(20), start, Room())] == [
        (job, job * 2) for job in range(20)
    ]


@pytest.mark.parametrize("where", ["start", "finish"])
def test_one_that_fails_does_not_keep_the_others_waiting(where):
    def fail(job):
        raise ValueError(job)

    def start(job):
        if job % 2:
            return fail(job) if where == "start" else (1, lambda: fail(job))
        return doubled(job)

    fates = []
    for _, result in ahead(range(9), start, Room(1)):
        try:
            fates.append(result())
        except ValueError as error:
            fates.append(str(error))
    assert fates == [0, "1", 4, "3", 8, "5", 12, "7", 16]


def test_memory_is_bounded_but_for_one_that_is_larger_alone(monkeypatch):
    monkeypatch.setattr("fsrcnn.upscaling.ahead.usable_cores", lambda: 4)
    sizes, held, most = [3, 3, 3, 30, 3, 1, 1, 9, 2], [0], []

    def start(job):
        def finish():
            held[0] += sizes[job]
            most.append(held[0])
            return sizes[job]

        return sizes[job], finish

    for _, result in ahead(range(len(sizes)), start, Room(10)):
        time.sleep(0.01)  # the others may run ahead as far as they can
        held[0] -= result()
    assert sorted(most)[-1] == 30  # alone
    assert sorted(most)[-2] <= 10
    assert sum(size > 3 for size in most) > 1  # several at a time, where there is room


def test_jobs_run_beside_each_other(monkeypatch):
    monkeypatch.setattr("fsrcnn.upscaling.ahead.usable_cores", lambda: 2)
    both = threading.Barrier(2, timeout=TIMEOUT)
    assert [result() for _, result in ahead(range(2), lambda job: (1, both.wait), Room())] in ([0, 1], [1, 0])


def test_nothing_is_left_waiting_when_the_caller_stops(monkeypatch):
    """As a signal does: the one after waits for room that nobody will give back."""
    monkeypatch.setattr("fsrcnn.upscaling.ahead.usable_cores", lambda: 2)
    before = set(threading.enumerate())
    made = []
    results = ahead(range(9), lambda job: (1, lambda: made.append(job)), Room(1))
    _, result = next(results)
    result()
    results.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
    assert made == [0]
