"""Columns of numbers out of a block of bytes, in NumPy: a field is where it starts and ends, one per line.

Each function reads plain forms only and gives up on anything else.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from model.dates import FIRST_DAY, LAST_DAY, Days
from model.formats.lines import FIRST_YEAR, LAST_YEAR, MAX_HALF_STARS
from model.table import NO_YEAR

_MAX_DIGITS = 18  # 19 digits may not fit an int64
_NO_DAY = FIRST_DAY - 1


class NotPlainError(Exception):
    """The block needs the strict parser; never leaves `model.formats`."""


def require(condition: object) -> None:
    """Give up on the block unless the condition holds.

    Raises:
        NotPlainError: if it does not.
    """
    if not condition:
        raise NotPlainError


def parse_integers(
    buffer: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Parse fields of 1 to 18 digits."""
    widths = ends - starts
    values = np.zeros(len(starts), dtype=np.int64)
    if not len(starts):
        return values
    shortest, longest = int(widths.min()), int(widths.max())
    require(shortest >= 1 and longest <= _MAX_DIGITS)
    for place in range(longest):
        digits = buffer[ends - (1 + place)] - np.uint8(ord("0"))  # wraps, so that all else is above 9
        if place >= shortest:
            digits = np.where(widths > place, digits, np.uint8(0))
        require(digits.max() <= 9)
        values += digits * np.int64(10**place)
    return values


def parse_ratings(
    buffer: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int8]:
    """Parse ratings such as 4, 4.0 and 3.5 into half stars."""
    widths = ends - starts
    decimal = widths == 3
    require(np.all(decimal | (widths == 1)))
    digits = buffer[starts] - np.uint8(ord("0"))
    require(np.all(digits <= MAX_HALF_STARS // 2))
    half_stars = 2 * digits.astype(np.int8)
    tails = buffer[starts[decimal] + 2]
    require(np.all(buffer[starts[decimal] + 1] == ord(".")))
    require(np.all((tails == ord("0")) | (tails == ord("5"))))
    half_stars[decimal] += tails == ord("5")
    require(np.all((half_stars >= 1) & (half_stars <= MAX_HALF_STARS)))
    return half_stars


@cache
def _build_calendar() -> NDArray[np.int16]:
    """Build the table from year, month and day of the month to the day; `_NO_DAY` where there is none."""
    days = np.arange(FIRST_DAY, LAST_DAY + 1)
    dates = [day.timetuple()[:3] for day in days.astype("datetime64[D]").tolist()]
    years, months, days_of_month = np.array(dates).T
    calendar = np.full((years[-1] + 1, 13, 32), _NO_DAY, dtype=np.int16)
    calendar[years, months, days_of_month] = days
    return calendar


def parse_dates(buffer: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Days:
    """Parse dates written YYYY-MM-DD."""
    require(np.all(ends - starts == len("YYYY-MM-DD")))
    require(np.all(buffer[starts + 4] == ord("-")) and np.all(buffer[starts + 7] == ord("-")))
    calendar = _build_calendar()
    years = parse_integers(buffer, starts, starts + 4)
    months = parse_integers(buffer, starts + 5, starts + 7)
    days_of_month = parse_integers(buffer, starts + 8, starts + 10)
    require(np.all((years < len(calendar)) & (months <= 12) & (days_of_month <= 31)))
    days = calendar[years, months, days_of_month]
    require(np.all(days != _NO_DAY))
    return days


def parse_years(
    buffer: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Parse release years; nothing at all is `NO_YEAR`."""
    years = np.full(len(starts), NO_YEAR, dtype=np.int64)
    given = ends > starts
    require(np.all((ends - starts)[given] == 4))
    years[given] = parse_integers(buffer, starts[given], ends[given])
    require(np.all((years[given] >= FIRST_YEAR) & (years[given] <= LAST_YEAR)))
    return years
