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
from typing import Final, TextIO

LEVELS: Final = ("debug", "info", "warning", "error")

_ROOT: Final = "model"
"""The logger above all of this package's."""
_top: Final = logging.getLogger(_ROOT)


def write_moment(milliseconds: int) -> str:
    """A moment of UTC as RFC 3339 has it.

    Args:
        milliseconds: since 1970-01-01.

    >>> write_moment(7)
    '1970-01-01T00:00:00.007Z'
    """
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{_write_seconds(seconds)}.{str(rest).zfill(3)}Z"


@lru_cache(maxsize=1)
def _write_seconds(seconds: int) -> str:
    """A moment without its milliseconds; many lines have the same one."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object; `extra={"fields": {...}}` adds members to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record.

        Args:
            record: what was logged.
        """
        members: dict[str, object] = {
            "time": write_moment(int(record.created * 1_000)),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            members |= _describe_error(record.exc_info[1])
        return json.dumps(members)


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes records as `JsonFormatter` has them to standard error, and lines that are ready."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(JsonFormatter())

    def write_line(self, line: str) -> None:
        """Write a line, as a record would be: at a time, and without failing the caller.

        Args:
            line: ends in a line break.
        """
        self.acquire()
        try:
            self.stream.write(line)
            self.stream.flush()
        except Exception:  # ruff: ignore[blind-except] - as logging's own handlers do
            self.handleError(logging.makeLogRecord({"msg": "%s", "args": (line,)}))
        finally:
            self.release()


def find_sole_handler(logger: logging.Logger) -> LineHandler | None:
    """Find the handler that all a logger's records go to, as they do after `configure_logging`.

    A line for it need not be a record first, which takes three times as long as the line.

    Args:
        logger: one below this package's.

    Returns:
        None where somebody has added a handler, filter, formatter or record factory, who then get records.
    """
    if logging.getLogRecordFactory() is not logging.LogRecord:
        return None
    top = logger.parent
    if top is not _top or top.propagate or len(top.handlers) != 1:
        return None
    if logger.handlers or logger.filters or not logger.propagate:
        return None
    handler = top.handlers[0]
    if type(handler) is not LineHandler or type(handler.formatter) is not JsonFormatter:
        return None
    return None if handler.filters or handler.level else handler


def configure_logging(level: str) -> None:
    """Write this log, and what uvicorn and Mangum have to say, to standard error.

    uvicorn's log of requests is left out: it names the client's address and the whole path.

    Args:
        level: one of `LEVELS`; what is less important is left out. uvicorn has `--log-level` for its own.
    """
    handler = LineHandler()
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
