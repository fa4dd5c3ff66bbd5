"""The time by which an answer is due, where the platform ends the work then, as Lambda does."""

import math
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from model.errors import PredictionError

Part = TypeVar("Part")

RESERVE: Final = 0.2
"""Seconds before the deadline that are kept for writing the answer."""

_due: ContextVar[float] = ContextVar("due", default=math.inf)
"""When the answer is due, on the clock of `time.monotonic`. A context variable, because the time is the
platform's, and neither the routes nor the schemas between it and the work have any use for it."""


class OutOfTimeError(PredictionError):
    """The work cannot be finished in the time that is left."""

    name = "out-of-time"


@contextmanager
def due_in(seconds: float) -> Generator[None, None, None]:
    """Within the block, and in tasks that it starts, answers are due in so many seconds from now."""
    token = _due.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _due.reset(token)


def check_time(needed: float = 0.0) -> None:
    """Refuse to start what would not be finished in time.

    Args:
        needed: seconds that the work is expected to take.

    Raises:
        OutOfTimeError: if less is left.
    """
    left = _due.get() - RESERVE - time.monotonic()
    if left < needed:
        raise OutOfTimeError(
            f"{max(left, 0.0):.1f} s are left, too few to finish: ask for less at once, "
            "or give the function a longer timeout"
        )


def keep_pace(parts: Iterable[Part]) -> Iterator[Part]:
    """Hand out parts of some work for as long as the next can be expected to be finished in time.

    Args:
        parts: of about the same size.

    Yields:
        Each part; what happens until the next is asked for is the work on it.

    Raises:
        OutOfTimeError: if less time is left than the slowest part has taken.
    """
    slowest = 0.0
    for part in parts:
        check_time(slowest)
        started = time.monotonic()
        yield part
        slowest = max(slowest, time.monotonic() - started)
