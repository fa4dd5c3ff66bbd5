"""Reading the rows of rating files in blocks of bounded size: fast where they are plain, else strictly."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.dates import SECONDS_PER_DAY, parse_day
from model.errors import DataError
from model.formats.blocks import MovieFacts, Rows, parse_block
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
from model.progress import MEGABYTE, track_items, track_step
from model.table import NO_YEAR, Ids

BLOCK_BYTES = 8 << 20
"""How much is read at a time, bytes."""

_MAX_LINE_BYTES = 1 << 20
_N_THREADS = 2
_COLUMNS = ("user_ids", "movie_ids", "half_stars", "days", "times")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Whole lines of one file, each with its line end."""

    label: str
    """The file."""
    first_line: int
    """The number of the first line, from 1."""
    text: bytes


def read_rows(members: Sequence[Member], layout: Layout, *, block_bytes: int = BLOCK_BYTES) -> Rows:
    """Read all rows of some files of the same form.

    Args:
        members: the files, in the order wanted.
        layout: the form of their lines.
        block_bytes: how much to parse at a time, bytes.

    Returns:
        The rows of all files, one after the other. A line of another form is a DataError that names it.
    """
    collected = _Collected()
    movie = 0
    sizes = [member.n_bytes for member in members if member.n_bytes is not None]
    total = sum(sizes) / MEGABYTE if len(sizes) == len(members) else None
    # NumPy lets go of the interpreter's lock, so that threads parse side by side
    with ThreadPoolExecutor(_N_THREADS) as pool, track_step("reading", total=total, unit="MB") as step:
        for batch, started_with, parsed in _parse_ahead(pool, _batches(members, layout, block_bytes), layout):
            found = parsed.result()
            step.advance(sum(len(piece.text) for piece in batch) / MEGABYTE)
            if found is not None and layout.is_grouped and started_with != movie:
                found = _parse_batch(batch, layout, movie)
            if found is not None:
                rows, movie = found
                collected.add(rows)
                continue
            for piece in batch:
                rows, movie = _parse_strictly(piece, layout, 0 if piece.first_line == 1 else movie)
                collected.add(rows)
    return collected.build()


_Batch = list[_Piece]
_Parsed = tuple[Rows, int] | None


def _parse_ahead(
    pool: ThreadPoolExecutor, batches: Iterator[_Batch], layout: Layout
) -> Iterator[tuple[_Batch, int, "Future[_Parsed]"]]:
    """Parse the next batches while one is being collected.

    Yields:
        Batches in order, the movie each was thought to start with, and what comes of it.
    """
    waiting: deque[tuple[_Batch, int, Future[_Parsed]]] = deque()
    movie = 0
    for batch in batches:
        waiting.append((batch, movie, pool.submit(_parse_batch, batch, layout, movie)))
        movie = _find_last_heading(batch) or movie
        if len(waiting) > _N_THREADS:
            yield waiting.popleft()
    yield from waiting


def _parse_batch(batch: _Batch, layout: Layout, movie: int) -> _Parsed:
    """Parse pieces together; None where they are not plain."""
    # Joined, a file that starts without a `movie:` line would silently continue the one before it.
    if layout.is_grouped and not all(_is_heading(piece) for piece in batch if piece.first_line == 1):
        return None
    return parse_block(b"".join(piece.text for piece in batch), layout, movie)


def _find_last_heading(batch: _Batch) -> int:
    """The movie of the last line of a batch that looks like `movie:`; 0 for none."""
    for piece in reversed(batch):
        end = piece.text.rfind(b":")
        digits = piece.text[piece.text.rfind(b"\n", 0, end) + 1 : end]
        if end >= 0 and digits.isdigit():
            return int(digits)
    return 0


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


class _Collected:
    """Rows of one block after the other."""

    def __init__(self) -> None:
        self._columns: dict[str, list[NDArray[Any] | None]] = {name: [] for name in _COLUMNS}
        self._movies: MovieFacts = {}

    def add(self, rows: Rows) -> None:
        """Append the rows of the next block."""
        packed = _pack(rows)
        for name, parts in self._columns.items():
            parts.append(getattr(packed, name))
        for movie, facts in rows.movies.items():
            self._movies.setdefault(movie, facts)  # the first row of a movie counts

    def build(self) -> Rows:
        """Join the blocks, a column at a time: of a hundred million rows no two columns are held twice."""
        columns = {
            name: _concatenate(self._columns.pop(name))
            for name in track_items(_COLUMNS, "joining columns", unit="columns")
        }
        nothing = np.array([], dtype=np.int64)
        ids = {
            name: nothing if columns[name] is None else columns[name] for name in ("user_ids", "movie_ids")
        }
        return Rows(**{**columns, **ids}, movies=self._movies)  # type: ignore[arg-type]


def _concatenate(parts: list[NDArray[Any] | None]) -> NDArray[Any] | None:
    """Join a column; it is None in all parts or in none, because they are of one layout."""
    given = [part for part in parts if part is not None]
    return np.concatenate(given) if given else None
