"""A publisher of archives on this machine that misbehaves as it is told."""

import hashlib
import math
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Publisher:
    """What the publisher has, and what it does to the requests for the archive, one after the other."""

    content: bytes
    has_checksum: bool = True
    checksum_of: bytes | None = None
    """What the published MD5 is of; the content, when None."""
    etag: str | None = '"first"'
    takes_ranges: bool = True
    says_length: bool = True
    breaks_after: list[int] = field(default_factory=list)
    """How many bytes of the body each of the first answers sends before it breaks off."""
    stalls: bool = False
    """Whether it then keeps the connection open and sends nothing more."""
    late: list[float] = field(default_factory=list)
    """Seconds that each of the first answers lets pass before its first byte."""
    checksum_late: float = 0.0
    """The same of the answers that bring the MD5."""
    n_pieces: int = 1
    """In how many pieces a body comes, the MD5's too."""
    pause: float = 0.0
    """Seconds between two pieces."""
    statuses: list[int] = field(default_factory=list)
    """What each of the first answers says instead of sending anything."""
    ranges: list[str | None] = field(default_factory=list)
    """What each request for the archive asked for."""
    address: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a GET; one that is to be late beyond the end of the test is not answered."""
        is_checksum = request.path.endswith(".md5")
        if not is_checksum:
            self.ranges.append(request.headers.get("Range"))
        late = self.checksum_late if is_checksum else self.late.pop(0) if self.late else 0.0
        if late and self.released.wait(late):
            return
        if is_checksum:
            self._send_checksum(request)
        else:
            self._send_archive(request)

    def _send_archive(self, request: BaseHTTPRequestHandler) -> None:
        if self.statuses:
            request.send_error(self.statuses.pop(0))
            return
        start = self._find_start(request)
        if start >= len(self.content):
            request.send_error(416)
            return
        body = self.content[start:]
        request.send_response(206 if start else 200)
        if start:
            last = len(self.content) - 1
            request.send_header("Content-Range", f"bytes {start}-{last}/{len(self.content)}")
        if self.etag is not None:
            request.send_header("ETag", self.etag)
        if self.says_length:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        cut = self.breaks_after.pop(0) if self.breaks_after else None
        self._send_body(request, body[:cut])
        if cut is not None and self.stalls:
            self.released.wait(60)

    def _send_checksum(self, request: BaseHTTPRequestHandler) -> None:
        if not self.has_checksum:
            request.send_error(404)
            return
        published = self.content if self.checksum_of is None else self.checksum_of
        text = f"{hashlib.md5(published, usedforsecurity=False).hexdigest()}  archive.zip\n".encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        self._send_body(request, text)

    def _send_body(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        size = max(1, math.ceil(len(body) / self.n_pieces))
        for start in range(0, len(body), size):
            if start:
                self.released.wait(self.pause)
            request.wfile.write(body[start : start + size])
            request.wfile.flush()

    def _find_start(self, request: BaseHTTPRequestHandler) -> int:
        """Where the answer begins: 0 where there is no range, or the content is another by now."""
        asked = request.headers.get("Range")
        if asked is None or not self.takes_ranges or request.headers.get("If-Range") != self.etag:
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))


@contextmanager
def publish(publisher: Publisher) -> Generator[Publisher, None, None]:
    """Serve on a free port of this machine until the end of the block.

    Yields:
        The publisher, with its address.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            publisher.answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        publisher.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield publisher
        finally:
            publisher.released.set()
            server.shutdown()
            thread.join()
