from fsrcnn.samples import HELD_OUT, TRAIN, photographs


def test_photographs_are_bundled_small_and_apart():
    images = photographs(TRAIN + HELD_OUT)
    assert [name for name, _ in images] == [name.split(".")[0] for name in TRAIN + HELD_OUT]
    assert len(set(TRAIN) | set(HELD_OUT)) == len(images)
    for _, image in images:
        assert image.mode == "RGB"
        assert 96 <= min(image.size) <= max(image.size) <= 320
