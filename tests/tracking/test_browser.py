"""The MLflow UI in a real browser: what a person sees of our runs."""

import re
import time

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
import screenshot
from selenium.webdriver.common.by import By

from tests.mlflow_server import Server

if not (screenshot.BINARY and screenshot.DRIVER):
    pytest.skip("chromium or chromedriver is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def runs(project):
    """The runs of the first `dvc repro`."""
    return project.runs()


@pytest.fixture(scope="module")
def url(project, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"), backend=f"sqlite:///{project.folder}/mlflow.db")
    server.start()
    yield f"{server.uri}/#"
    server.kill()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with screenshot.chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


def place(run) -> str:
    return f"/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def is_shown(value: float, text: str) -> bool:
    """Whether a number as MLflow rounds it, to about four digits, is in the text."""
    numbers = map(float, re.findall(r"\d+\.\d+", text))
    return any(abs(number - value) <= 6e-4 * max(1, value) for number in numbers)


SCROLL = """
let more = false;
for (const element of document.querySelectorAll("*"))
    if (element.scrollHeight > element.clientHeight && getComputedStyle(element).overflowY != "visible") {
        element.scrollTop = arguments[0];
        more ||= element.scrollTop + element.clientHeight < element.scrollHeight - 1;
    }
return more;
"""


def missing_on(page, figures: list[float], texts: list[str]) -> list[float]:
    """Those of the figures that a page does not show, wherever one scrolls; its texts are added.

    Long tables exist only where one has scrolled to, and are drawn when the browser finds time.
    """
    missing, deadline = figures, time.monotonic() + 120
    while missing and time.monotonic() < deadline:
        offset, is_more = 0, True
        while is_more:
            is_more = page.driver.execute_script(SCROLL, offset)
            time.sleep(0.5)
            texts.append(page.text())
            offset += 250  # less than the lowest of its tables shows
        missing = [figure for figure in figures if not is_shown(figure, "\n".join(texts))]
    return missing


def test_comparison_of_two_runs(project, runs, url, page):
    pair = [runs["x4 scratch"], runs["x4 transfer"]]
    ids = ",".join(f'"{run.info.run_id}"' for run in pair)
    page.open(f'{url}/compare-runs?runs=[{ids}]&experiments=["{pair[0].info.experiment_id}"]')
    evaluation = project.metrics("evaluate")["sample"]
    figures = [
        evaluation[protocol][kind][metric]
        for protocol in ("reference", "standard")
        for kind in ("scratch", "transfer")
        for metric in ("psnr", "ssim")
    ]
    figures.append(project.metrics("benchmark")["latency_ms"]["median"])
    page.wait_for(*[run.info.run_name for run in pair], "Metrics")
    texts: list[str] = []
    assert missing_on(page, figures, texts) == []
    text = "\n".join(texts)
    assert "sample/standard/psnr" in text
    assert "train.optimizer soap soap" in text
    assert "train.epochs 2 1" in text


def test_a_run_says_what_it_is_and_links_to_its_source(runs, url, page):
    run, source = runs["x4 transfer"], runs["x3 scratch"]
    page.open(url + place(run))
    page.wait_for("recipe", "ours", "git_commit", "sample_x4", "Started from the weights of")
    page.driver.find_element(By.LINK_TEXT, source.info.run_name).click()
    page.driver.switch_to.window(page.driver.window_handles[-1])  # MLflow opens a tab for it
    page.wait_for("sample_x3", f"Transferred in {run.info.run_name}")
    assert source.info.run_id in page.driver.current_url


def test_curves_and_pictures(runs, url, page):
    run = runs["x4 scratch"]
    page.open(f"{url}{place(run)}/model-metrics")
    page.wait_for("training", "validation", "sample/standard", "latency_ms")
    for picture in ("comparison.png", "curves.png"):
        page.open(f"{url}{place(run)}/artifacts/figures/{picture}")
        page.wait_for(f"figures/{picture}")
        image = page.wait_for_image()
        assert image.get_property("naturalWidth") >= 1000
