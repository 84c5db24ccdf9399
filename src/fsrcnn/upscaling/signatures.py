"""What the bytes of a picture are, where no name says it."""

SIGNATURES = {"png": (0, b"\x89PNG\r\n\x1a\n"), "jpeg": (0, b"\xff\xd8\xff"), "webp": (8, b"WEBP")}


def format_of(content: bytes) -> str | None:
    """The format that a picture's first bytes show, a key of `SIGNATURES`."""
    for name, (at, signature) in SIGNATURES.items():
        if content[at : at + len(signature)] == signature:
            return name
    return None
