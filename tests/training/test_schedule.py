import pytest

from fsrcnn.training.schedule import lr_factor


@pytest.mark.parametrize(("schedule", "middle"), [("constant", 1.0), ("linear", 0.5), ("cosine", 0.5)])
def test_schedule_ends_at_zero(schedule, middle):
    rates = [lr_factor(schedule, step, 20, 0) for step in (0, 10, 20)]
    assert rates == pytest.approx([1.0, middle, 1.0 if schedule == "constant" else 0.0], abs=1e-9)


def test_warm_up_is_linear():
    assert [lr_factor("cosine", step, 100, 10) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
