import asyncio
import threading

import pytest

from fsrcnn.serving.work import GoneError, Work


async def never():
    await asyncio.Event().wait()


def test_result_and_exception_of_a_job():
    work = Work(1, 0)
    assert asyncio.run(work.run(lambda: 7, never())) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(work.run(lambda: 1 // 0, never()))


def test_a_job_whose_client_has_gone_is_given_up():
    work, begun, done = Work(1, 1), threading.Event(), []

    async def both():
        blocked = asyncio.create_task(work.run(begun.wait, never()))
        await asyncio.sleep(0)  # so that it is the first
        with pytest.raises(GoneError):
            await work.run(lambda: done.append("in vain"), asyncio.sleep(0.05))
        begun.set()
        assert await blocked
        await work.run(lambda: done.append("next"), never())

    asyncio.run(both())
    assert done == ["next"]


def test_places():
    work = Work(2, 1)
    with work.place(), work.place():
        assert not work.full
        with pytest.raises(KeyError), work.place():
            assert work.full
            assert work.retry_after >= 1
            raise KeyError
        assert not work.full
    assert work.taken == 0
