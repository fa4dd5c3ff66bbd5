"""Puts a new bundle in place of the one that is served, between two requests.

export.py replaces the bundle's folder in one step. Whoever serves it looks at its files every few seconds,
loads and verifies a new bundle beside the old one, lets it make its self-test prediction, and only then lets
it answer. One that is refused changes nothing. The old one's mapped files stay readable while it is in use.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from model.bundle import MANIFEST
from model.errors import ArtifactIncompatibleError, RatingModelError
from model.serving.live import LiveService
from model.serving.service import Service

ATTEMPTS: Final = 3
"""How often a bundle is loaded that is another one before it is loaded completely."""

Signature = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and time of every file of a folder: another if any file is."""

_logger = logging.getLogger(__name__)


def sign_folder(path: Path) -> Signature | None:
    """Say what would be different if any file of a bundle were.

    Args:
        path: the bundle's folder.

    Returns:
        None while there is no bundle, as between two renames.
    """
    try:
        files = [
            (file.relative_to(path).as_posix(), status.st_ino, status.st_size, status.st_mtime_ns)
            for file in sorted(path.rglob("*"))
            for status in [file.stat()]
        ]
    except FileNotFoundError:  # one of them has gone since it was listed
        return None
    return tuple(files) if any(name == MANIFEST for name, *_ in files) else None


def load_settled(path: Path, load: Callable[[Path], Service]) -> tuple[Service, Signature | None]:
    """Load a bundle whose files are the same before and after, so that no two bundles are mixed.

    Args:
        path: the bundle's folder.
        load: verifies and loads it.

    Returns:
        The service and the signature of the files it was loaded from.

    Raises:
        RatingModelError: if it is refused, or replaced again and again.
    """
    for _ in range(ATTEMPTS):
        before = sign_folder(path)
        try:
            service = load(path)
        except RatingModelError:
            if sign_folder(path) == before:
                raise
            continue  # half of the old one, half of the new
        if sign_folder(path) == before:
            return service, before
    raise ArtifactIncompatibleError(f"bundle {path} changed {ATTEMPTS} times while it was loaded")


class BundleWatcher:
    """Replaces the live service when its bundle is.

    Args:
        live: holds the service that answers.
        path: the bundle's folder.
        load: verifies and loads it.
        seen: the signature of what is live.
        seconds: between two looks.
    """

    def __init__(
        self,
        live: LiveService,
        path: Path,
        load: Callable[[Path], Service],
        *,
        seen: Signature | None,
        seconds: float,
    ) -> None:
        self._live = live
        self._path = path
        self._load = load
        self._seen = seen
        self._seconds = seconds

    def look(self) -> None:
        """Look once: load what is new, and serve it if it is good; a bad one is told of once."""
        signature = sign_folder(self._path)
        if signature is None or signature == self._seen:
            return
        self._seen = signature
        try:
            service, self._seen = load_settled(self._path, self._load)
        except (RatingModelError, OSError) as error:
            _logger.error(  # ruff: ignore[error-instead-of-exception] - the reason says it all
                "bundle refused, the old one stays", extra={"fields": {"reason": str(error)}}
            )
        except Exception:  # whatever is wrong with a new bundle, the old one goes on answering
            _logger.exception("bundle refused, the old one stays")
        else:
            self._live.service = service
            _logger.info("bundle replaced", extra={"fields": service.identity})

    async def run(self) -> None:
        """Look again and again, beside the event loop, which goes on answering."""
        while True:
            await asyncio.sleep(self._seconds)
            await asyncio.to_thread(self.look)

    @asynccontextmanager
    async def watch(self, _app: object) -> AsyncGenerator[None]:
        """Watch for as long as a server runs the application: its lifespan."""
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
