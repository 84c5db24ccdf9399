from pathlib import Path

import pytest
from PIL import Image

from fsrcnn.evaluation.curves import draw_curves
from fsrcnn.evaluation.measurement import Measurement
from fsrcnn.evaluation.report import markdown

FRAMEWORKS = {
    "device_name": "some CPU",
    "threads": 2,
    "results": {
        "torch": {"seconds_per_epoch": 97.6, "latency_ms": {"median": 30.26}, "psnr": 30.41, "epochs": 20},
        "mindspore": {"seconds_per_epoch": 123.4, "latency_ms": {"median": 61.26}},
    },
}
NO_GPU = {"results": None}
GPU = {
    "device_name": "some card",
    "driver": "570.1",
    "torch": "2.13.0+cu130",
    "date": "2026-12-01",
    "results": {
        "training": {
            "reference": {"seconds_per_epoch": 14.26, "seconds": 29.4, "steps": 29554, "psnr": 29.876},
            "short": {"target_psnr": 30.5, "seconds": [12.0, None, 14.0], "steps_per_epoch": 800},
        },
        "latency": [
            {
                "scale": scale,
                "input_shape": shape,
                "variants": {
                    "plain": {"latency_ms": {"median": 0.61234}, "speedup": 1.0},
                    "sub-pixel": {"latency_ms": {"median": 0.1}, "speedup": 6.12},
                    "sub-pixel, CUDA graphs": {"not_timed": "off"},
                },
            }
            for scale, shape in ((4, [8, 1, 64, 64]), (2, [1, 1, 1080, 1920]))
        ],
    },
}


def measurement(scale: int, data: str, psnr: float, family: str = "clean") -> Measurement:
    method = {"psnr": psnr, "ssim": 0.9}
    kind = {"seconds_per_epoch": 1.25, "steps": 20, "epochs": 2}
    return Measurement(
        train={"device": "some CPU", "threads": 2, "scratch": kind, "transfer": kind},
        evaluate={
            "scale": scale,
            "train_data": data,
            "Set5": {"reference": dict.fromkeys(("bicubic", "scratch", "transfer"), method)},
        },
        benchmark={
            "device_name": "some CPU",
            "threads": 2,
            "input_shape": [8, 1, 64, 64],
            "warmup": 100,
            "iterations": 1000,
            "latency_ms": {"median": 33.36},
            "backends": {"native": {"latency_ms": {"median": 4.14}}},
        },
        origin=f"origin of {scale}",
        family=family,
    )


def test_ours_beside_the_published():
    text = markdown(
        [measurement(4, "91-image", 31.11), measurement(2, "91-image", 37.77)],
        ["curves.png"],
        FRAMEWORKS,
        NO_GPU,
        {},
    )
    assert "| FSRCNN-Torch | Tesla P100 | 30.44 | 210 |" in text
    assert "| **ours, from scratch** | some CPU, 2 threads | 31.11 | 1.2 |" in text
    assert "| **ours, plain PyTorch** | some CPU, 2 threads | 33.4 |" in text
    assert "| **ours, backend native** | some CPU, 2 threads | 4.1 |" in text
    assert "| reference recipe, PyTorch | some CPU, 2 threads | 30.41 after epoch 20 | 98 |" in text
    assert "| reference recipe, MindSpore | some CPU, 2 threads |  | 123 |" in text
    assert "| plain MindSpore, side by side | some CPU, 2 threads | 61.3 |" in text
    assert "| reference repository | 37.12 | 30.50 |" in text
    assert "| **ours, transferred** | 37.77 / 0.9000 | 31.11 / 0.9000 |" in text
    assert "| ×2 | 91-image | some CPU, 2 threads | origin of 2 |" in text
    assert "![](curves.png)" in text


@pytest.mark.parametrize("data", ["sample", "General-100"])
def test_other_data_is_set_apart(data):
    text = markdown([measurement(4, data, 31.11)], [], FRAMEWORKS, NO_GPU, {})
    comparable, _, other = text.partition(f"## Not comparable: ×4, trained on {data}")
    assert "31.11" in other
    assert "31.11" not in comparable
    assert "33.4" not in comparable
    for published in ("30.50", "P100", "paper", "MindSpore"):
        assert published not in other


def test_other_evaluation_sets_are_set_apart():
    on_set5, on_own = measurement(2, "91-image", 37.77), measurement(4, "91-image", 31.11)
    own = dict(on_own.evaluate)
    own["shots"] = own.pop("Set5")
    text = markdown([on_own._replace(evaluate=own), on_set5], [], FRAMEWORKS, NO_GPU, {})
    comparable, _, other = text.partition("## Not comparable: evaluated on shots")
    assert "31.11" in other
    assert "31.11" not in comparable
    assert "| **ours, from scratch** | some CPU, 2 threads |  | 1.2 |" in comparable
    assert "| shots, reference protocol | ×4 |" in other
    assert "| Set5, reference protocol | ×2 |" in comparable


def degraded(psnr: float) -> dict[str, dict[str, dict[str, float]]]:
    methods = {"bicubic": 25.5, "scratch": psnr, "transfer": 20.0}
    return {"Set14": {"jpeg75": methods, "area_jpeg75": methods}}


def test_families_are_beside_each_other_through_degradations():
    clean, photo = measurement(4, "91-image", 31.11), measurement(4, "more", 29.99, "photo")
    clean.evaluate.update(degraded=degraded(25.4))
    photo.evaluate.update(degraded=degraded(26.47))
    text = markdown([photo, clean, measurement(2, "91-image", 37.77)], [], FRAMEWORKS, NO_GPU, {})
    published, _, grid = text.partition("## Through JPEG and other reductions")
    assert "| Set14, ×4 | bicubic | **ours, clean** | **ours, photo** |" in grid
    assert "| JPEG 75 | 25.50 | 25.40 (-0.10) | 26.47 (+0.97) |" in grid
    assert "| area, JPEG 75 | 25.50 |" in grid
    assert "| ×4, photo | more | some CPU, 2 threads | origin of 4 |" in grid
    # On clean pictures it stands beside nothing that is published.
    assert "31.11" in published
    assert "29.99" not in text
    assert "20.00" not in text


def test_without_pictures_nothing_is_said_of_degradations():
    assert "Through JPEG" not in markdown([measurement(4, "91-image", 31.11)], [], FRAMEWORKS, NO_GPU, {})


def test_the_released_networks_stand_beside_ours_and_others():
    psnr = {"psnr_Set5_reference": "31.22", "psnr_Set5_standard": "31.33"}
    released = dict.fromkeys((2, 3, 4), psnr)
    more = [measurement(scale, "91-image+more", 31.0 + scale / 10) for scale in (2, 4)]
    for m in more:
        m.evaluate["Set5"]["standard"] = m.evaluate["Set5"]["reference"]
    text = markdown([measurement(4, "91-image", 31.11), *more], [], FRAMEWORKS, NO_GPU, released)
    quality, _, others = text.partition("## Trained on other pictures")
    assert "| **ours, released** | 31.22 |" in quality
    assert "31.33" not in quality
    assert "| SESR-M3 | 9.0K | DIV2K | 37.21 |  | 30.75 |" in others
    assert "| **ours, from scratch** | 12,464 | 91-image+more | 31.20 |  | 31.40 |" in others
    assert "| **ours, released** | 12,464 | 91-image | 31.33 | 31.33 | 31.33 |" in others


def test_of_two_trainings_the_grid_shows_the_one_on_the_91_images():
    ours, more = measurement(4, "91-image", 31.11), measurement(4, "91-image+more", 31.22)
    ours.evaluate.update(degraded=degraded(25.4))
    more.evaluate.update(degraded=degraded(25.7))
    grid = markdown([ours, more], [], FRAMEWORKS, NO_GPU, {}).partition("## Through JPEG")[2]
    assert "25.40 (-0.10)" in grid
    assert "25.70" not in grid


def test_curves_are_a_picture(tmp_path: Path):
    rows = [{"seconds": 1.0, "train_psnr": 20.0, "validation_psnr": None}]
    draw_curves({"scratch": rows, "transfer": rows}, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width == 1000


def test_a_graphics_processor_stands_beside_the_published_ones():
    text = markdown([], [], FRAMEWORKS, GPU, {})
    training, inference = text.split("## Inference")
    assert "| **ours, reference recipe** | some card | 29.88 after 29554 steps, 29 s | 14.3 |" in training
    said = "30.50 reached by 2 of 3 seeds, in 13.0 s in the mean"
    assert f"| **ours, short schedule** | some card | {said} |  |" in training
    assert "| **ours, plain** | some card | 0.612 |" in inference
    assert "| **ours, sub-pixel, CUDA graphs** | some card | not timed: off |" in inference
    head = "some card, driver 570.1, torch 2.13.0+cu130, 2026-12-01"
    assert f"| {head} | 8×1×64×64 at ×4, ms | 1×1×1080×1920 at ×2, ms |" in inference
    assert "| sub-pixel | 0.1, 6.1 times as fast | 0.1, 6.1 times as fast |" in inference


def test_without_a_graphics_processor_both_tables_say_so():
    training, inference = markdown([], [], FRAMEWORKS, NO_GPU, {}).split("## Inference")
    assert "| ours, on a graphics processor |  | not measured (`make gpu-report`) |  |" in training
    assert "| ours, on a graphics processor |  | not measured (`make gpu-report`) |" in inference
