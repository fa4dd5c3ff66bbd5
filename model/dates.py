"""Days as integers: the number of days since 1970-01-01, so that arrays of them are small and sort.

Stored days fit an int16, which spans the years this project accepts: 1900 to 2059.
"""

import datetime as dt
import re

import numpy as np
from numpy.typing import NDArray

FIRST_DAY = (dt.date(1900, 1, 1) - dt.date(1970, 1, 1)).days
"""The earliest day accepted anywhere, 1900-01-01."""

LAST_DAY = int(np.iinfo(np.int16).max)
"""The latest day accepted anywhere, 2059-09-18."""

SECONDS_PER_DAY = 86_400

Days = NDArray[np.int16]
"""Days since 1970-01-01."""

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EPOCH = dt.date(1970, 1, 1)


def parse_day(text: str) -> int:
    """Read a date as YYYY-MM-DD.

    Returns:
        Days since 1970-01-01.

    Raises:
        ValueError: if `text` is not a date of the calendar between 1900-01-01 and 2059-09-18.

    >>> parse_day("1970-01-02")
    1
    """
    if not _ISO_DATE.fullmatch(text):
        raise ValueError(f"{text!r} is not a date: expected YYYY-MM-DD")
    try:
        day = (dt.date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise ValueError(f"{text!r} is not a date of the calendar: expected YYYY-MM-DD") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(
            f"{text!r} is out of range: expected {format_day(FIRST_DAY)} to {format_day(LAST_DAY)}"
        )
    return day


def format_day(day: int) -> str:
    """Write days since 1970-01-01 as YYYY-MM-DD.

    >>> format_day(12817)
    '2005-02-03'
    """
    return (_EPOCH + dt.timedelta(days=int(day))).isoformat()
