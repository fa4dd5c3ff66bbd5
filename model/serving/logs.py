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
from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error")

_ROOT: Final = "model"
"""The logger above all of this package's."""


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object; `extra={"fields": {...}}` adds members to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record.

        Args:
            record: what was logged.
        """
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        members: dict[str, object] = {
            "time": time.replace("+00:00", "Z"),
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
