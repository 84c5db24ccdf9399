"""Take a picture of the page of `fsrcnn export --to web`, for the README.

    python scripts/screenshot_page.py docs/page.jpg

Needs Chromium and its driver (Debian: chromium, chromium-driver).
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from screenshot import chromium
from selenium.webdriver.common.by import By

from fsrcnn.download.samples import EVALUATION, photographs
from fsrcnn.export.web import to_page
from fsrcnn.files import atomic
from fsrcnn.network.weights import released


def main(picture: Path) -> None:
    """Write a JPEG of the page with a photograph of a cat in it."""
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder, "profile")) as page:
        html, photograph = Path(folder, "page.html"), Path(folder, "cat.png")
        html.write_bytes(to_page([released(2), released(3), released(4)]))
        _, image = photographs(EVALUATION)[0]
        image.save(photograph)
        page.driver.set_window_size(1000, 1000)
        page.open(html.as_uri())
        page.driver.find_element(By.ID, "file").send_keys(str(photograph))
        page.wait_for("Download PNG")
        with (
            Image.open(io.BytesIO(page.driver.get_screenshot_as_png())) as shot,
            atomic(picture) as temporary,
        ):
            shot.convert("RGB").save(temporary, quality=88, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
