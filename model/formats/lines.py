"""The strict parser: line by line, in plain Python. It defines what is accepted and names what is not."""

import csv
import re

from model.dates import FIRST_DAY, LAST_DAY, SECONDS_PER_DAY, format_day
from model.errors import DataError
from model.formats.layout import Layout, shown
from model.table import NO_YEAR

MAX_ID = 2**63 - 1
"""The largest id of a user or movie."""

FIRST_YEAR, LAST_YEAR = 1800, 2100
"""The release years accepted."""

FIRST_TIME = FIRST_DAY * SECONDS_PER_DAY
"""The earliest timestamp, seconds since 1970-01-01."""

LAST_TIME = (LAST_DAY + 1) * SECONDS_PER_DAY - 1
"""The latest timestamp, seconds since 1970-01-01."""

MAX_HALF_STARS = 10
"""The highest rating, half stars."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_ID = re.compile(r"0*[0-9]{1,19}", re.ASCII)
_TIME = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_RATING = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
_YEAR = re.compile(r"([0-9]{4})(?:\.0)?", re.ASCII)


def line_error(label: str, line: int, problem: object, layout: Layout) -> DataError:
    """Name a file, a line, what is wrong with it and what would be accepted."""
    return DataError(f"{label}, line {line}: {problem}; expected {layout.form}")


def decode_line(data: bytes) -> str:
    """Decode a line of a rating file, a carriage return at its end left out.

    Raises:
        ValueError: if it is blank, not UTF-8, or has a carriage return in the middle.
    """
    data = data.removesuffix(b"\r")
    if not data:
        raise ValueError("blank line, accepted only at the end of the file")
    if b"\r" in data:
        raise ValueError("carriage return within the line")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {data[error.start]:#04x} is not UTF-8") from None


def split_line(layout: Layout, line: str) -> list[str]:
    """Split a line into the fields of its layout.

    Raises:
        ValueError: if it has another number of fields, or a quoted field that does not end.
    """
    n_fields = len(layout.columns)
    if layout.has_header and '"' in line:
        fields = split_quoted(line)
    else:
        fields = line.split(layout.separator, n_fields - 1 if layout.last_takes_rest else -1)
    if len(fields) != n_fields:
        raise ValueError(f"{len(fields)} fields instead of {n_fields} in {shown(line)}")
    return fields


def split_quoted(line: str) -> list[str]:
    """Split a line of a CSV in which fields may be quoted.

    Raises:
        ValueError: if a quoted field does not end on the line, or goes on after its end.
    """
    try:
        return next(csv.reader([line], strict=True), [""])
    except csv.Error as error:
        raise ValueError(f"bad quoting ({error}) in {shown(line)}") from None


def parse_id(text: str, what: str) -> int:
    """Read the id of a user or movie.

    Raises:
        ValueError: if it is not a whole number from 1 to 2^63 - 1.
    """
    value = int(text) if _ID.fullmatch(text) else 0
    if not 1 <= value <= MAX_ID:
        raise ValueError(f"{what} {shown(text)} is not a whole number from 1 to {MAX_ID}")
    return value


def parse_half_stars(text: str) -> int:
    """Read a rating as a number of half stars.

    Raises:
        ValueError: if it is not 0.5 to 5 in steps of 0.5.
    """
    value = 2 * float(text) if _RATING.fullmatch(text) else 0.0
    if not (value.is_integer() and 1 <= value <= MAX_HALF_STARS):
        raise ValueError(f"rating {shown(text)} is not 0.5 to 5 in steps of 0.5")
    return int(value)


def parse_time(text: str) -> int:
    """Read a timestamp.

    Raises:
        ValueError: if it is not a whole number of seconds since 1970-01-01 within the days accepted.
    """
    value = int(text) if _TIME.fullmatch(text) else LAST_TIME + 1
    if not FIRST_TIME <= value <= LAST_TIME:
        raise ValueError(
            f"timestamp {shown(text)} is not in whole seconds since 1970-01-01, "
            f"{FIRST_TIME} ({format_day(FIRST_DAY)}) to {LAST_TIME} ({format_day(LAST_DAY)})"
        )
    return value


def parse_year(text: str) -> int:
    """Read a release year; nothing, or NULL, is `NO_YEAR`.

    Raises:
        ValueError: if it is not a year from 1800 to 2100.
    """
    if text in {"", "NULL"}:
        return NO_YEAR
    # Tables in which some years are missing were often written with all others as 1995.0.
    match = _YEAR.fullmatch(text)
    year = int(match[1]) if match else NO_YEAR
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"release year {shown(text)} is not {FIRST_YEAR} to {LAST_YEAR}, NULL or empty")
    return year
