"""Take a picture of the charts in the MLflow UI, for the README.

    mlflow ui --backend-store-uri sqlite:///mlflow.db   # in another terminal
    python scripts/screenshot.py http://127.0.0.1:5000 docs/mlflow.png

Needs Chromium and its driver (Debian: chromium, chromium-driver).
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from fsrcnn.files import atomic

BINARY = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1500,1100"
)


class Page:
    """A browser window with waits long enough for a busy machine."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Load a page from the start."""
        # From one fragment to another a page is not loaded anew.
        self.driver.get("about:blank")
        self.driver.get(url)

    def text(self) -> str:
        """All that is written on the page."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def wait_for(self, *words: str, seconds: float = 60) -> str:
        """The text of the page, once it contains all the words."""
        try:
            WebDriverWait(self.driver, seconds).until(lambda _: all(word in self.text() for word in words))
        except TimeoutException as error:
            missing = [word for word in words if word not in self.text()]
            raise AssertionError(f"not on the page: {missing}\n{self.text()}") from error
        return self.text()

    def wait_for_image(self, seconds: float = 60) -> WebElement:
        """The first image of the page that is 500 pixels wide or more, once there is one."""

        def wide(driver: Chrome) -> WebElement | None:
            images = driver.find_elements(By.TAG_NAME, "img")
            widths = {image: int(image.get_property("naturalWidth") or 0) for image in images}
            return next((image for image, width in widths.items() if width >= 500), None)

        image = WebDriverWait(self.driver, seconds).until(wide)
        assert image is not None
        return image

    def close_assistant(self) -> None:
        """Close the pane that MLflow opens beside every page of a new visitor."""
        for button in self.driver.find_elements(By.CSS_SELECTOR, "[aria-label='Close']"):
            button.click()


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A browser with a profile of its own."""
    options = ChromeOptions()
    options.binary_location = BINARY or ""
    for flag in (*FLAGS.split(), f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = Chrome(options, ChromeService(DRIVER))
    try:
        yield Page(driver)
    finally:
        driver.quit()


def main(url: str, picture: Path) -> None:
    """Write a PNG of the curves of the newest runs of our experiment, the first that was made."""
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as page:
        page.open(f"{url}/#/experiments/1/runs?compareRunsMode=CHART")
        page.wait_for("validation")
        page.close_assistant()
        search = page.driver.find_element(By.CSS_SELECTOR, "[placeholder='Search metric charts']")
        search.send_keys("training/loss|training/psnr|validation")
        time.sleep(15)  # the charts draw themselves bit by bit
        with atomic(picture) as temporary:
            temporary.write_bytes(page.driver.get_screenshot_as_png())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
