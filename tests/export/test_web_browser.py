"""The page in a real browser, from file://: what comes out beside what `fsrcnn upscale` makes."""

import base64
import mimetypes
import re
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

pytest.importorskip("selenium", reason="selenium is not installed")
import screenshot
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from fsrcnn.export.web import PAGE, to_page
from fsrcnn.network.weights import released
from fsrcnn.pictures.reading import read
from fsrcnn.upscaling.family import suited_to
from fsrcnn.upscaling.image import Upscaler
from tests.export.networks import SMALL, random_weights

if not (screenshot.BINARY and screenshot.DRIVER):
    pytest.skip("chromium or chromedriver is not installed", allow_module_level=True)

CASES = Path(__file__).parents[1] / "cases"
PHOTOGRAPH = CASES.parents[1] / "docs" / "upscaled.png"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

# The way of a file into the page: as the browser tells it of what is dropped or pasted.
GIVE = """
const [way, name, type, data] = arguments;
const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], name, { type }));
const event = way === "drop"
    ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
document.body.dispatchEvent(event);
return event.defaultPrevented;
"""


@cache
def upscaler(scale):
    return Upscaler(released(scale))


class Site:
    """The page, and what a visitor does with it."""

    def __init__(self, page, folder):
        self.page, self.driver, self.folder = page, page.driver, folder
        self.driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
        )

    def open(self, content):
        (self.folder / "page.html").write_bytes(content)
        self.page.open((self.folder / "page.html").as_uri())

    def element(self, name):
        return self.driver.find_element(By.ID, name)

    def give(self, file, way="drop"):
        if way == "choose":
            return self.element("file").send_keys(str(file))
        kind = mimetypes.guess_type(file)[0] or "image/webp"
        data = base64.b64encode(file.read_bytes()).decode()
        assert self.driver.execute_script(GIVE, way, file.name, kind, data) or way == "paste"

    def choose(self, name, value):
        self.driver.execute_script(f"document.querySelector('input[name={name}][value=\"{value}\"]').click()")

    def chosen(self, name):
        return self.driver.execute_script(
            f"return document.querySelector('input[name={name}]:checked').value"
        )

    def status(self, words):
        """What the page says, once it says that."""
        wait = WebDriverWait(self.driver, 180, 0.1)
        wait.until(lambda _: re.search(words, self.element("status").text), self.element("status").text)
        return self.element("status").text

    def result(self, width, height):
        """The file that a click on the download brings, once the picture is that large."""
        self.status(rf"to {width} × {height} in \d")
        link = self.element("download")
        target = self.folder / link.get_property("download")
        target.unlink(missing_ok=True)
        link.click()
        WebDriverWait(self.driver, 180, 0.1).until(lambda _: target.is_file())
        return target


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with screenshot.chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def content():
    photo = replace(released(2), metadata={"degradation": "photo"})
    return to_page([released(2), released(4), photo])


@pytest.fixture
def site(browser, content, tmp_path):
    site = Site(browser, tmp_path)
    site.open(content)
    return site


def photograph(width, height):
    with Image.open(PHOTOGRAPH) as image:
        return image.convert("RGB").crop((0, 0, width, height))


def idat(file):
    """What the IDAT chunks of a PNG hold, taken together and inflated."""
    content, at, found = file.read_bytes(), 8, b""
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        if content[at + 4 : at + 8] == b"IDAT":
            found += content[at + 8 : at + 8 + size]
        at += size + 12
    return zlib.decompress(found)


def assert_equal(made, source, scale):
    """Equal within 1 of 255 where anything is seen, and the same colour profile."""
    pixels, metadata = read(source)
    expected = upscaler(scale)(pixels)
    with Image.open(made) as image:
        assert image.info.get("icc_profile") == metadata.icc
        found = np.asarray(image)
    if expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, 2)
    assert found.shape == expected.shape
    assert len(idat(made)) == found.size + len(found)  # its checksum is right, too
    seen = expected[..., 3:] > 0 if expected.shape[2] == 4 else True
    assert (np.abs(found.astype(int) - expected) * seen).max() <= 1


@pytest.mark.parametrize("way", ["drop", "paste", "choose"])
def test_a_picture_in_several_bands(site, tmp_path, way):
    photograph(97, 211).save(tmp_path / "a.b.png")
    site.give(tmp_path / "a.b.png", way)
    made = site.result(388, 844)
    assert made.name == "a.b_x4.png"
    assert_equal(made, tmp_path / "a.b.png", 4)
    site.choose("scale", 2)
    assert_equal(site.result(194, 422), tmp_path / "a.b.png", 2)


def test_orientation_and_colour_profile(site, tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    photograph(60, 40).save(tmp_path / "a.jpg", quality=95, exif=exif, icc_profile=PROFILE)
    site.give(tmp_path / "a.jpg")
    assert_equal(site.result(160, 240), tmp_path / "a.jpg", 4)


def test_alpha_with_colours_beneath(site, tmp_path):
    random = np.random.default_rng(0)
    pixels = np.dstack([np.asarray(photograph(70, 90)), np.zeros((90, 70), np.uint8)])
    pixels[..., 3][20:80, 10:60] = random.integers(0, 256, (60, 50))
    pixels[..., 3][40:50] = 3
    pixels[pixels[..., 3] == 0] = (255, 0, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=PROFILE)
    site.give(tmp_path / "a.png")
    assert_equal(site.result(280, 360), tmp_path / "a.png", 4)


@pytest.mark.parametrize("name", ["sprite_magenta_key.png", "screenshot_lossless.webp", "cicp_p3.png"])
def test_files_of_other_kinds(site, name):
    site.choose("scale", 2)
    site.give(CASES / name)
    width, height = Image.open(CASES / name).size
    made = site.result(2 * width, 2 * height)
    assert_equal(made, CASES / name, 2)
    assert (b"cICP" in made.read_bytes()) == (name == "cicp_p3.png")


@pytest.mark.parametrize(
    ("suffix", "quality"), [("jpg", 70), ("jpg", 90), ("jpg", 91), ("webp", 90), ("png", None)]
)
def test_the_network_that_suits_the_file(site, tmp_path, suffix, quality):
    source = tmp_path / f"a.{suffix}"
    photograph(20, 20).save(source, **({"quality": quality} if quality else {}))
    site.choose("scale", 2)
    site.give(source)
    site.status(r"in \d")
    assert site.chosen("family") == suited_to(read(source).metadata).family


@pytest.mark.parametrize(
    "data",
    [
        b"a",
        bytes(100_000),
        bytes(range(256)) * 600 + bytes(3) + b"bb" + bytes(258) + b"c" + bytes(261),
        np.random.default_rng(0).normal(scale=5, size=150_000).astype(np.int8).tobytes(),
    ],
    ids=["short", "flat", "runs", "photograph"],
)
def test_deflate(browser, data):
    browser.open("about:blank")
    script = (
        (PAGE / "deflate.js").read_text()
        + """
        const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
        return [Array.from(deflated(bytes)), ...adler(bytes)];
    """
    )
    packed, low, high = browser.driver.execute_script(script, base64.b64encode(data).decode())
    inflated = zlib.decompressobj(-zlib.MAX_WBITS)
    assert inflated.decompress(bytes(packed)) == data
    assert not inflated.eof
    assert high << 16 | low == zlib.adler32(data)
    # Not much above what zlib makes of it in the same way.
    alike = zlib.compressobj(9, strategy=zlib.Z_RLE)
    assert len(packed) < 1.05 * len(alike.compress(data) + alike.flush()) + 700


def test_codes_of_deflate_have_at_most_15_bits(browser):
    browser.open("about:blank")
    script = """
        const counts = [1, 1]; // Fibonacci's numbers make the longest codes of Huffman's
        while (counts.length < 30) counts.push(counts.at(-2) + counts.at(-1));
        return Array.from(codeLengths(Uint32Array.from(counts)));
    """
    lengths = browser.driver.execute_script((PAGE / "deflate.js").read_text() + script)
    assert max(lengths) == 15
    assert sum(2.0**-length for length in lengths) == 1


def test_a_network_of_another_shape(browser, tmp_path):
    network = random_weights(3, **SMALL)
    network.arrays["deconvolution.weight"][:] *= 0.1
    site = Site(browser, tmp_path)
    site.open(to_page([network]))
    photograph(40, 30).save(tmp_path / "a.png")
    site.give(tmp_path / "a.png")
    found = np.asarray(Image.open(site.result(120, 90))).astype(int)
    expected = Upscaler(network)(np.asarray(photograph(40, 30)))
    assert np.abs(found - expected).max() <= 1
    assert not site.element("scales").is_displayed()


def test_what_cannot_be_enlarged_is_said(site, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    site.give(tmp_path / "notes.txt")
    assert site.status("notes.txt is no picture that this browser can read")
    Image.new("1", (9000, 6000)).save(tmp_path / "large.png")
    site.give(tmp_path / "large.png")
    assert site.status("9000 × 6000 pixels are too many")
    photograph(20, 20).save(tmp_path / "a.png")
    site.give(tmp_path / "a.png")
    assert site.result(80, 80)


def test_nothing_can_be_sent(site):
    answer = site.driver.execute_async_script(
        "const done = arguments[0]; fetch('data:,a').then(() => done('sent'), (error) => done(error.name))"
    )
    assert answer == "TypeError"
    assert site.driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert "Nothing is uploaded" in site.page.text()


def test_keys_divide_and_zoom(site, tmp_path):
    photograph(200, 120).save(tmp_path / "a.png")
    site.give(tmp_path / "a.png")
    site.result(800, 480)
    divider, after = site.element("divider"), site.element("after")
    # What is translucent shows nothing of the other picture.
    clips = [site.element(name).value_of_css_property("clip-path") for name in ("before", "after")]
    assert len({re.search(r"([1-9][\d.]*)px\)", clip)[1] for clip in clips}) == 1
    divider.send_keys(Keys.END)
    assert divider.get_attribute("aria-valuenow") == "100"
    hidden = after.value_of_css_property("clip-path")
    divider.send_keys(Keys.HOME, Keys.ARROW_RIGHT)
    assert divider.get_attribute("aria-valuenow") == "2"
    assert after.value_of_css_property("clip-path") != hidden
    site.element("scroller").send_keys("1", "+", "+")
    assert site.element("level").text == "225 %"
    assert after.size == {"width": 1800, "height": 1080}
    site.element("scroller").send_keys("0")
    assert after.size["width"] <= site.element("viewer").size["width"]


def test_a_phone(site, tmp_path):
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    site.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        photograph(200, 120).save(tmp_path / "a.png")
        site.give(tmp_path / "a.png")
        site.result(800, 480)
        assert site.driver.execute_script("return document.documentElement.scrollWidth") <= 360
        targets = [*site.driver.find_elements(By.CSS_SELECTOR, "button, .button, fieldset label, #divider")]
        sizes = [target.size for target in targets if target.is_displayed()]
        assert len(sizes) >= 8
        assert all(size["width"] >= 40 and size["height"] >= 40 for size in sizes)
    finally:
        site.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
