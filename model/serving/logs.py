"""The log: one JSON object a line on standard error, without personal data.

Nothing here knows an id of a user or a movie, a body or a client's address. A failure is logged with the kind
of error and where in the code it happened; its text may hold what a client sent and is left out unless the
level is debug.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error")

_ROOT: Final = "model"
"""The logger above all of this package's."""


@lru_cache(maxsize=1)
def _write_seconds(seconds: int) -> str:
    """A moment of UTC, seconds since 1970-01-01, as RFC 3339 has it; many lines have the same one."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object; `extra={"fields": {...}}` adds members to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record.

        Args:
            record: what was logged.
        """
        seconds, milliseconds = divmod(int(record.created * 1_000), 1_000)
        members: dict[str, object] = {
            "time": f"{_write_seconds(seconds)}.{milliseconds:03}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            members |= _describe_error(record.exc_info[1])
        return json.dumps(members)


def configure_logging(level: str) -> None:
    """Write this log, and what uvicorn and Mangum have to say, to standard error.

    uvicorn's log of requests is left out: it names the client's address and the whole path.

    Args:
        level: one of `LEVELS`; what is less important is left out. uvicorn has `--log-level` for its own.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    _direct(_ROOT, handler).setLevel(level.upper())
    _direct("uvicorn", handler)
    _direct("mangum", handler).setLevel(logging.ERROR)  # at level info it logs paths
    _direct("uvicorn.access", logging.NullHandler())


def _direct(name: str, handler: logging.Handler) -> logging.Logger:
    logger = logging.getLogger(name)
    logger.handlers = [handler]
    logger.propagate = False
    return logger


def _describe_error(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)
    described: dict[str, object] = {
        "error": type(error).__name__,
        "stack": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if logging.getLogger(_ROOT).isEnabledFor(logging.DEBUG):
        described["error_text"] = str(error)
    return described
