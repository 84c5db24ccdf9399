"""Fetch one file over HTTP: resumed after an interruption, whole and verified before it is named.

Unfinished bytes stay in `NAME.part`, with what the server said about them in `NAME.part.json`, so
that a later call goes on where an earlier one stopped; but only with a strong ETag, since nothing
else tells a file from another one of the same length. `NAME.sha256.json` keeps the SHA-256 of what
each link gave first; a later download from that link must be the same.
"""

import json
import logging
import re
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from itertools import count
from pathlib import Path
from typing import Any

import requests
import urllib3
from filelock import FileLock
from tqdm import tqdm

from fsrcnn.errors import InputError
from fsrcnn.files import DISK_FULL, sha256, sync, write_json

CHUNK_BYTES = 1 << 20
LONGEST_WAIT = 60.0  # seconds
SLOWEST = 1024  # bytes a second
_TRANSIENT = (
    requests.ConnectionError,
    requests.Timeout,
    urllib3.exceptions.HTTPError,  # while the answer's body is read
)

log = logging.getLogger(__name__)


class _TransientError(Exception):
    """A failure that another attempt may cure; `wait`: the seconds the server asks to pause."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def direct_link(url: str) -> str:
    """`url` with `dl=0` in its query turned into `dl=1`: the file, not the page that shows it."""
    return re.sub(r"(?<=[?&])dl=0(?=[&#]|$)", "dl=1", url)


def fetch(
    url: str,
    path: Path,
    *,
    check: Callable[[Path], None] | None = None,
    attempts: int = 5,
    timeout: float = 30.0,
    backoff: float = 1.0,
) -> None:
    """Download `url` to `path`; do nothing if `path` exists.

    Several processes may ask for the same `path`: one downloads, the others wait for it.

    Arguments:
        url: an HTTP or HTTPS link to a file that is not a web page; see `direct_link`.
        path: where the file goes. Missing parent folders are made.
        check: called with the finished file before it is named `path`; raises InputError to
            refuse it, and then nothing of the file is kept.
        attempts: how often to try when the connection breaks or stalls, the answer is shorter than
            announced, or the server answers 429 or 5xx.
        timeout: seconds to wait for a connection, and for each piece of the answer. A server that
            sends less than 1 KiB a second over that time counts as stalled.
        backoff: seconds before the second attempt, doubled before each further one. A server's
            Retry-After goes first. No wait is longer than a minute.

    Raises:
        InputError: names `url` and the reason: a web page, an HTTP status, a connection that failed
            in every attempt, a file that `check` refuses or that has changed since the link's first
            download, a full disk, a folder that cannot be written.
    """
    url = direct_link(url)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock")):
            if path.exists():
                return
            _download(url, part, attempts, timeout, backoff)
            try:
                if check:
                    check(part)
                _compare_checksum(url, path, part)
            except InputError as error:
                _discard(part)  # All of it came and it is wrong: there is nothing to resume.
                raise InputError(f"{url}: {error}") from error
            sync(part)
            part.replace(path)
            sync(path.parent)
            _discard(part)
    except OSError as error:
        if error.errno in DISK_FULL:
            _discard(part)
            raise InputError(f"{url}: no space left in {path.parent}") from error
        if error.errno is None:  # not from the system but from a fault in `check`
            raise
        raise InputError(f"{url}: cannot write {path}: {error.strerror}") from error


def _download(url: str, part: Path, attempts: int, timeout: float, backoff: float) -> None:
    for attempt in count(1):
        try:
            return _attempt(url, part, timeout)
        except _TransientError as error:
            if attempt >= attempts:
                raise InputError(f"{url}: {error} after {attempt} attempts") from error
            wait = backoff * 2 ** (attempt - 1) if error.wait is None else error.wait
            wait = min(wait, LONGEST_WAIT)
            log.warning("%s: %s; attempt %d in %.1f s", url, error, attempt + 1, wait)
            time.sleep(wait)


def _attempt(url: str, part: Path, timeout: float) -> None:
    offset, known = _kept(url, part)
    # Lengths and ranges count bytes of the file only if the server does not compress it.
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": known["etag"]}
    try:
        with requests.get(url, headers=headers, timeout=timeout, stream=True) as response:
            if not offset or response.status_code not in (206, 416):
                size = response.headers.get("Content-Length", "")
                return _receive(url, part, response, 0, size, timeout)
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
            same_etag = response.headers.get("ETag") == known["etag"]
            if found and same_etag and (int(found[1]), int(found[2])) == (offset, known["total"]):
                return _receive(url, part, response, offset, found[2], timeout)
    except _TRANSIENT as error:
        raise _TransientError(f"connection failed: {_root_cause(error)}") from error
    except requests.RequestException as error:
        raise InputError(f"{url}: {_root_cause(error)}") from error
    # What is kept does not belong to the file that is there now. The second request asks for no
    # range, so this happens once.
    log.info("%s: the file has changed since the last attempt; starting again", url)
    _discard(part)
    return _attempt(url, part, timeout)


def _receive(
    url: str, part: Path, response: requests.Response, offset: int, size: str, timeout: float
) -> None:
    """Write the answer to `part` from byte `offset` on; `size`: of the whole file, or ''."""
    status = response.status_code
    if status != (206 if offset else 200):
        reason = f"HTTP {status} {response.reason or ''}".rstrip()
        if status == 429 or status >= 500:
            raise _TransientError(reason, _retry_after(response))
        raise InputError(f"{url}: {reason}")
    page = InputError(f"{url}: the link leads to a web page, not to a file")
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise page
    # A server may compress even when asked not to, and then its length is not the file's.
    plain = "Content-Encoding" not in response.headers
    total = int(size) if plain and size.isdecimal() else None
    bar = tqdm(total=total, initial=offset, unit="B", unit_scale=True, disable=None)
    with bar, part.open("ab" if offset else "wb") as file:
        if not offset:
            about = {"url": url, "etag": response.headers.get("ETag"), "total": total}
            write_json(_sidecar(part), about)
        since, before = time.monotonic(), offset
        # What has come, and not a full chunk, which a slow server may take hours for.
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            start = chunk[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
            if file.tell() == 0 and start.startswith((b"<!doctype html", b"<html")):
                _discard(part)
                raise page
            file.write(chunk)
            bar.update(len(chunk))
            seconds = time.monotonic() - since
            if seconds >= timeout:
                if (received := file.tell() - before) < SLOWEST * seconds:
                    raise _TransientError(f"stalled: {received} bytes in {seconds:.0f} s")
                since, before = time.monotonic(), file.tell()
        written = file.tell()
    if total is not None and written != total:
        raise _TransientError(f"received {written} of {total} bytes")


def _compare_checksum(url: str, path: Path, part: Path) -> None:
    """Refuse a file that is not the one this link gave first; record that one."""
    record = path.with_name(path.name + ".sha256.json")
    known = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    digest = sha256(part)
    if known.setdefault(url, digest) != digest:
        raise InputError(
            f"the file has changed since its first download: SHA-256 {digest}, not {known[url]}; "
            f"delete {record} to accept it"
        )
    write_json(record, known)


def _kept(url: str, part: Path) -> tuple[int, dict[str, Any]]:
    """The bytes of `url` in `part` that can be gone on from, and what the server said about them."""
    try:
        about = json.loads(_sidecar(part).read_text(encoding="utf-8"))
        resumable = about["url"] == url and _is_strong(about["etag"])
        return (part.stat().st_size, about) if resumable else (0, {})
    except FileNotFoundError:
        return 0, {}


def _is_strong(etag: str | None) -> bool:
    """Whether equal tags mean equal bytes; a weak one, `W/"..."`, means files that do the same."""
    return etag is not None and etag.startswith('"')


def _sidecar(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _sidecar(part).unlink(missing_ok=True)


def _retry_after(response: requests.Response) -> float | None:
    """The seconds the server asks to wait, as it gives them or until the date it gives."""
    value = response.headers.get("Retry-After", "")
    try:
        if value.isdecimal():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _root_cause(error: BaseException) -> str:
    """One line from the innermost exception: requests wraps it in several that only repeat it."""
    # An InputError can only be what the caller was handling: the failure of another link, say.
    while (cause := error.__cause__ or error.__context__) and not isinstance(cause, InputError):
        error = cause
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())
