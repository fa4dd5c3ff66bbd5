"""Fetch a file over HTTP so that it is there whole or not at all, and go on where an attempt broke off.

What has arrived is kept beside the file, with what the server said to recognise this very content again (its
ETag or modification time). The next attempt, or the next start of the program, asks for the rest and gets it
only where the content is still the same; else everything comes anew.
"""

import http.client
import json
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from model.errors import DataError
from model.progress import MEGABYTE, track_step

ATTEMPTS = 5
"""Attempts in a row that bring nothing new before a download is given up."""
PAUSE = 1.0
"""Seconds before the second attempt; before each further one twice as long."""
PATIENCE = 30.0
"""Seconds without a byte after which an attempt is given up."""
_CHUNK = 1 << 16
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that another attempt may not meet again."""


@dataclass(frozen=True, slots=True)
class _Partial:
    """What has arrived of a file."""

    path: Path
    facts_path: Path

    @classmethod
    def beside(cls, path: Path) -> "_Partial":
        return cls(path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.part.json"))

    def read_validator(self, url: str) -> str | None:
        """What the server recognises the content by; None where there is nothing to go on from."""
        try:
            facts = json.loads(self.facts_path.read_text(encoding="utf-8"))
            same = facts["url"] == url and self.path.stat().st_size > 0
            return str(facts["validator"]) if same else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def note_validator(self, url: str, validator: str | None) -> None:
        """Keep it for the next attempt; where the server gives none, the next one starts over."""
        if validator is None:
            self.facts_path.unlink(missing_ok=True)
        else:
            facts = {"url": url, "validator": validator}
            self.facts_path.write_text(json.dumps(facts) + "\n", encoding="utf-8")

    def remove(self) -> None:
        """Keep nothing."""
        self.path.unlink(missing_ok=True)
        self.facts_path.unlink(missing_ok=True)

    @property
    def n_bytes(self) -> int:
        """How much has arrived."""
        return self.path.stat().st_size if self.path.exists() else 0


def require_web_address(url: str) -> None:
    """Refuse anything but http and https: `urllib` would open files of this machine too.

    Raises:
        DataError: if it is neither.
    """
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        raise DataError(f"{url!r} is no web address: expected one that begins with https://")


def fetch_text(url: str, *, patience: float = PATIENCE) -> str | None:
    """Fetch a short text, such as a checksum.

    Args:
        url: where it is.
        patience: seconds without an answer after which it is given up.

    Returns:
        The text; None where the server has no such file.

    Raises:
        DataError: if the server cannot be reached or refuses.
    """
    require_web_address(url)
    try:
        with urllib.request.urlopen(url, timeout=patience) as response:  # ruff: ignore[suspicious-url-open-usage] - checked above
            content: bytes = response.read(_CHUNK)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.NOT_FOUND:
            return None
        raise DataError(f"{url}: the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from error
    return content.decode("ascii", "replace")


def fetch_file(url: str, path: Path, *, patience: float = PATIENCE) -> Path:
    """Fetch a file, in as many attempts as it takes while each brings something new.

    Args:
        url: where it is.
        path: where it shall be, in a folder that exists; the caller puts it there after checking it.
        patience: seconds without a byte after which an attempt is given up.

    Returns:
        The complete temporary file beside `path`; `forget_partial` removes it.

    Raises:
        DataError: if the server has no such file, cannot be reached, or breaks off again and again.
    """
    require_web_address(url)
    partial = _Partial.beside(path)
    failures = 0
    with track_step(f"downloading {path.name}", unit="MB", done=partial.n_bytes / MEGABYTE) as step:
        while True:
            before = partial.n_bytes
            try:
                for done, total in _attempt(url, partial, patience):
                    step.reach(done / MEGABYTE, None if total is None else total / MEGABYTE)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in _TRANSIENT:
                    raise DataError(f"{url}: the server answers {error.code} {error.reason}") from error
                problem: Exception = error
            except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
                problem = error
            else:
                return partial.path
            failures = 1 if partial.n_bytes > before else failures + 1
            if failures == ATTEMPTS or _is_hopeless(problem):
                raise _unreachable(url, problem, partial.n_bytes) from problem
            time.sleep(PAUSE * 2 ** (failures - 1))


def forget_partial(path: Path) -> None:
    """Remove what `fetch_file` has left beside a file, if anything."""
    _Partial.beside(path).remove()


def _attempt(url: str, partial: _Partial, patience: float) -> Iterator[tuple[int, int | None]]:
    """Ask for the rest of the file, or for all of it, and write what comes.

    Yields:
        How many bytes there are by now, and how many there will be, where the server says so.

    Raises:
        ConnectionError: if the connection ends too soon, or the server's part is not the one asked for.
    """
    validator = partial.read_validator(url)
    request = urllib.request.Request(url)  # ruff: ignore[suspicious-url-open-usage] - `fetch_file` has checked it
    if validator is not None:
        request.add_header("Range", f"bytes={partial.n_bytes}-")
        request.add_header("If-Range", validator)
    try:
        response = urllib.request.urlopen(request, timeout=patience)  # ruff: ignore[suspicious-url-open-usage] - checked
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            error.close()
            partial.remove()  # more than there is: begin anew
            raise ConnectionError("what had arrived is no part of the file: it comes anew") from error
        raise
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {partial.n_bytes}-"):
            partial.remove()
            raise ConnectionError("the server sends another part than was asked for: the file comes anew")
        done = partial.n_bytes if resumed else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else done + int(length)
        _require_room(partial.path.parent, None if total is None else total - done)
        with partial.path.open("ab" if resumed else "wb") as stream:
            partial.note_validator(url, _choose_validator(response.headers))
            yield done, total
            while chunk := response.read1(_CHUNK):  # what there is, so that a stall costs none of it
                stream.write(chunk)
                done += len(chunk)
                yield done, total
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended {total - done:,} bytes too soon")


def _choose_validator(headers: Mapping[str, str]) -> str | None:
    """The strongest mark of the content: RFC 9110 allows no weak ETag in If-Range."""
    etag = headers.get("ETag")
    return etag if etag is not None and not etag.startswith("W/") else headers.get("Last-Modified")


def _require_room(folder: Path, n_bytes: int | None) -> None:
    free = shutil.disk_usage(folder).free
    if n_bytes is not None and n_bytes > free:
        raise DataError(
            f"{folder}: {n_bytes / MEGABYTE:,.1f} MB are to come, but only {free / MEGABYTE:,.1f} MB are free"
        )


def _is_hopeless(problem: Exception) -> bool:
    """Whether another attempt would meet the same: no such host, or one that is not who it says."""
    reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    return isinstance(reason, socket.gaierror | ssl.SSLCertVerificationError)


def _unreachable(url: str, problem: Exception, n_bytes: int = 0) -> DataError:
    reason: object = problem
    if isinstance(problem, urllib.error.URLError) and not isinstance(problem, urllib.error.HTTPError):
        reason = problem.reason
    if isinstance(reason, OSError) and reason.strerror:
        reason = reason.strerror  # without the system's number
    kept = (
        f"; {n_bytes / MEGABYTE:,.1f} MB are kept, and the same command goes on from there" if n_bytes else ""
    )
    return DataError(f"{url}: cannot be fetched ({str(reason) or type(problem).__name__}){kept}")
