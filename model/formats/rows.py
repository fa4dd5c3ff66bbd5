"""Reading the rows of rating files in blocks of bounded size: fast where they are plain, else strictly."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model.dates import SECONDS_PER_DAY, parse_day
from model.errors import DataError
from model.formats.blocks import Ids, MovieFacts, Rows, parse_block
from model.formats.layout import Column, Layout
from model.formats.lines import (
    BYTE_ORDER_MARK,
    decode_line,
    line_error,
    parse_half_stars,
    parse_id,
    parse_time,
    parse_year,
    split_line,
)
from model.formats.source import Member
from model.table import NO_YEAR

BLOCK_BYTES = 8 << 20
"""How much is read at a time, bytes."""

_MAX_LINE_BYTES = 1 << 20

_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Whole lines of one file, each with its line end."""

    label: str
    """The file."""
    first_line: int
    """The number of the first line, from 1."""
    text: bytes


def read_rows(members: Iterable[Member], layout: Layout, *, block_bytes: int = BLOCK_BYTES) -> Rows:
    """Read all rows of some files of the same form.

    Args:
        members: the files, in the order wanted.
        layout: the form of their lines.
        block_bytes: how much to parse at a time, bytes.

    Returns:
        The rows of all files, one after the other. A line of another form is a DataError that names it.
    """
    parts: list[Rows] = []
    movie = 0
    for batch in _batches(members, layout, block_bytes):
        parsed = None
        # Joined, a file that starts without a `movie:` line would silently continue the one before it.
        if not layout.is_grouped or all(_is_heading(p) for p in batch if p.first_line == 1):
            parsed = parse_block(b"".join(piece.text for piece in batch), layout, movie)
        if parsed is not None:
            rows, movie = parsed
            parts.append(_pack(rows))
            continue
        for piece in batch:
            rows, movie = _parse_strictly(piece, layout, 0 if piece.first_line == 1 else movie)
            parts.append(_pack(rows))
    return _concatenate(parts)


def _is_heading(piece: _Piece) -> bool:
    return piece.text[: piece.text.index(b"\n")].rstrip(b"\r").endswith(b":")


def _batches(members: Iterable[Member], layout: Layout, block_bytes: int) -> Iterator[list[_Piece]]:
    """Put small files together, so that 17,770 of them take hardly longer than one.

    Yields:
        Pieces to parse together.
    """
    batch: list[_Piece] = []
    size = 0
    for member in members:
        for piece in _read_pieces(member, block_bytes, skip=int(layout.has_header)):
            batch.append(piece)
            size += len(piece.text)
            if size >= block_bytes // 2:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _read_pieces(member: Member, block_bytes: int, *, skip: int) -> Iterator[_Piece]:
    """Read a file as pieces of whole lines; the blank lines at its end are left out.

    Args:
        member: the file.
        block_bytes: how much to read at a time, bytes.
        skip: how many lines at its start to leave out.

    Yields:
        Pieces, in order.
    """
    rest = b""
    line = 1
    with member.open() as stream:
        while chunk := stream.read(block_bytes):
            rest += chunk
            if line == 1:
                rest = rest.removeprefix(BYTE_ORDER_MARK)
            # Cut before the last line with something on it: what follows it may be the blank end of the file.
            cut = rest.rfind(b"\n", 0, len(rest.rstrip(b"\r\n"))) + 1
            yield from _cut_piece(member.label, line, rest[:cut], skip)
            line += rest.count(b"\n", 0, cut)
            rest = rest[cut:]
            if len(rest) > max(_MAX_LINE_BYTES, block_bytes):
                raise DataError(
                    f"{member.label}, line {line}: longer than a line can be; expected a text file"
                )
    end = rest.rstrip(b"\r\n")
    if end:
        yield from _cut_piece(member.label, line, end + b"\n", skip)


def _cut_piece(label: str, line: int, text: bytes, skip: int) -> Iterator[_Piece]:
    if line == 1 and skip:
        text = text[text.find(b"\n") + 1 :]
        line = 1 + skip
    if text:
        yield _Piece(label, line, text)


@dataclass(slots=True)
class _StrictRows:
    """Rows collected line by line."""

    layout: Layout
    movie: int
    """The last `movie:` line; 0 for none."""
    user_ids: list[int] = field(default_factory=list)
    movie_ids: list[int] = field(default_factory=list)
    half_stars: list[int] = field(default_factory=list)
    days: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    movies: MovieFacts = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Parse a line; ValueError if it is not of the layout."""
        layout = self.layout
        if layout.is_grouped and line.endswith(":"):
            self.movie = parse_id(line[:-1], "movie")
            return
        row = dict(zip(layout.columns, split_line(layout, line), strict=True))
        self.user_ids.append(parse_id(row[Column.USER], "user"))
        if not layout.is_grouped:
            self.movie = parse_id(row[Column.MOVIE], "movie")
        elif not self.movie:
            raise ValueError("a row before the first movie, which a line such as 123: names")
        self.movie_ids.append(self.movie)
        if Column.RATING in row:
            self.half_stars.append(parse_half_stars(row[Column.RATING]))
        if Column.DATE in row:
            self.days.append(parse_day(row[Column.DATE]))
        elif Column.TIME in row:
            self.times.append(parse_time(row[Column.TIME]))
            self.days.append(self.times[-1] // SECONDS_PER_DAY)
        if Column.TITLE in row or Column.YEAR in row:
            year = parse_year(row[Column.YEAR]) if Column.YEAR in row else NO_YEAR
            self.movies.setdefault(self.movie, (row.get(Column.TITLE, ""), year))

    def build(self) -> Rows:
        """Turn the lists into columns."""
        return Rows(
            user_ids=np.array(self.user_ids, dtype=np.int64),
            movie_ids=np.array(self.movie_ids, dtype=np.int64),
            half_stars=np.array(self.half_stars, dtype=np.int8) if self.layout.has(Column.RATING) else None,
            days=np.array(self.days, dtype=np.int16) if self.layout.has_day else None,
            times=np.array(self.times, dtype=np.int64) if self.layout.has(Column.TIME) else None,
            movies=self.movies,
        )


def _parse_strictly(piece: _Piece, layout: Layout, movie: int) -> tuple[Rows, int]:
    """Parse a piece line by line, as `parse_block` does for plain ones; name the line that is broken."""
    rows = _StrictRows(layout, movie)
    for number, data in enumerate(piece.text.split(b"\n")[:-1], piece.first_line):
        try:
            rows.add(decode_line(data))
        except ValueError as error:
            raise line_error(piece.label, number, error, layout) from None
    return rows.build(), rows.movie


def _pack(rows: Rows) -> Rows:
    """Store ids in half the bytes where they fit: a hundred million rows wait until the last is read."""
    return replace(rows, user_ids=_pack_ids(rows.user_ids), movie_ids=_pack_ids(rows.movie_ids))


def _pack_ids(ids: Ids) -> Ids:
    return ids.astype(np.int32) if ids.max(initial=0) <= np.iinfo(np.int32).max else ids


def _concatenate(parts: list[Rows]) -> Rows:
    if not parts:
        nothing = np.array([], dtype=np.int64)
        return Rows(user_ids=nothing, movie_ids=nothing)
    movies: MovieFacts = {}
    for part in reversed(parts):
        movies |= part.movies  # the first row of a movie counts
    return Rows(
        user_ids=np.concatenate([part.user_ids for part in parts]),
        movie_ids=np.concatenate([part.movie_ids for part in parts]),
        half_stars=_concatenate_column([part.half_stars for part in parts]),
        days=_concatenate_column([part.days for part in parts]),
        times=_concatenate_column([part.times for part in parts]),
        movies=movies,
    )


def _concatenate_column(columns: list[NDArray[_Number] | None]) -> NDArray[_Number] | None:
    """Join a column; it is None in all parts or in none, because they are of one layout."""
    given = [column for column in columns if column is not None]
    return np.concatenate(given) if given else None
