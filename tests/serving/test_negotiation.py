import pytest

from fsrcnn.serving.negotiation import accepted
from fsrcnn.upscaling.signatures import format_of


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("*/*", "jpeg"),
        ("image/*", "jpeg"),
        ("image/png", "png"),
        ("image/webp, image/png", "webp"),
        ("image/png, image/webp", "png"),
        ("image/png, image/jpeg", "jpeg"),
        ("image/jpeg;q=0.5, image/png", "png"),
        ("IMAGE/PNG ; Q=1", "png"),
        ("image/avif,image/webp,image/apng,image/*,*/*;q=0.8", "jpeg"),
        ("text/html, */*;q=0.1", "jpeg"),
        ("image/jpeg;q=0, image/*", "png"),
        ("image/png;q=nonsense, image/webp;q=0.1", "webp"),
        ("text/html", None),
        ("image/tiff", None),
        ("*/*;q=0", None),
        (";,;q", None),
    ],
)
def test_accept(accept, format):
    assert accepted(accept, "jpeg") == format


def test_format_is_that_of_the_bytes():
    assert format_of(b"\x89PNG\r\n\x1a\n...") == "png"
    assert format_of(b"\xff\xd8\xff\xe0...") == "jpeg"
    assert format_of(b"RIFF\0\0\0\0WEBPVP8 ") == "webp"
    assert {format_of(content) for content in (b"", b"GIF89a", b"RIFF\0\0\0\0WAVE", b"II*\0")} == {None}
