"""Which files of a source to read: the one set of ratings, and the movie file that belongs to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.errors import DataError
from model.formats.layout import (
    ACCEPTED,
    MOVIES_DAT,
    PRIZE_TITLES,
    RATINGS_DAT,
    U_DATA,
    U_ITEM,
    Column,
    Layout,
    recognise,
    shown,
)
from model.formats.lines import BYTE_ORDER_MARK
from model.formats.source import Member, Source

_HEAD_BYTES = 1 << 14
_HEAD_LINES = 50
_MAX_NAMED = 5
_SPLIT_SUFFIXES = {".base", ".test", ".train"}
_MOVIES_OF = {RATINGS_DAT: MOVIES_DAT, U_DATA: U_ITEM}


@dataclass(frozen=True, slots=True)
class SniffedFile:
    """A file and what its first lines say of it."""

    member: Member
    layout: Layout | None
    """None for a file of no form known."""
    first_line: str | None
    """None for an empty file."""

    def compute_problem(self, *, needs_rating: bool) -> str | None:
        """Say why this cannot be read as ratings (or as pairs), None where it can."""
        if self.layout is not None:
            return self.layout.compute_problem(needs_rating=needs_rating)
        return "empty file" if self.first_line is None else f"{shown(self.first_line)} begins no rating file"


@dataclass(frozen=True, slots=True)
class RatingFiles:
    """Files that make one data set."""

    members: list[Member]
    """The files, in the order in which they count."""
    layout: Layout
    """The form of their lines."""
    sniffed: list[SniffedFile]
    """Every file of the source."""


def choose_rating_files(source: Source, *, needs_rating: bool = True) -> RatingFiles:
    """Find the rating files of a source.

    The Prize's files, if there are several, are one data set. Of several others the whole is preferred to its
    split files (u.data to u1.base).

    Args:
        source: where to look.
        needs_rating: whether rows need a rating and a day; without, a single file may hold users and movies.

    Raises:
        DataError: if there is no such file, or more than one data set; says what there is.
    """
    needs_rating = needs_rating or len(source.members) > 1
    sniffed = [_sniff(member) for member in source.members]
    candidates = _list_candidates(sniffed, needs_rating=needs_rating)
    if not candidates:
        sniffed += [
            _sniff(inner) for file in sniffed if not file.layout for inner in source.open_inner(file.member)
        ]
        candidates = _list_candidates(sniffed, needs_rating=needs_rating)
    if not candidates:
        raise _nothing_found(source, sniffed, needs_rating=needs_rating)
    prize = [(member, layout) for member, layout in candidates if layout.is_grouped]
    others = [(member, layout) for member, layout in candidates if not layout.is_grouped]
    others = [
        (member, layout) for member, layout in others if member.path.suffix not in _SPLIT_SUFFIXES
    ] or others
    data_sets = [[file] for file in others] + ([prize] if prize else [])
    if len(data_sets) > 1:
        names = _name([files[0][0] for files in data_sets])
        raise DataError(
            f"{source.label}: holds {len(data_sets)} different rating files ({names}); give one of them"
        )
    return RatingFiles([member for member, _ in data_sets[0]], data_sets[0][0][1], sniffed)


def choose_movie_file(source: Source, files: RatingFiles) -> tuple[Member, Layout] | None:
    """Find the movie file that belongs to some rating files: beside a single file, or anywhere in a source.

    Raises:
        DataError: if more than one would do.
    """
    sniffed = files.sniffed + [_sniff(member) for member in source.neighbours]
    found = [(f.member, f.layout) for f in sniffed if f.layout is not None and f.layout.is_movie_file]
    folder = files.members[0].path.parent
    found = [(m, layout) for m, layout in found if m.path.parent == folder] or found
    found = [(m, layout) for m, layout in found if _belong_together(files.layout, layout)] or found
    if len(found) > 1:
        names = _name([member for member, _ in found])
        raise DataError(
            f"{source.label}: {len(found)} movie files ({names}); expected at most one with the ratings"
        )
    return found[0] if found else None


def _belong_together(ratings: Layout, movies: Layout) -> bool:
    if ratings.has_header and ratings.has(Column.TIME):
        return movies.has_header
    return movies == _MOVIES_OF.get(ratings, PRIZE_TITLES)


def _list_candidates(sniffed: Sequence[SniffedFile], *, needs_rating: bool) -> list[tuple[Member, Layout]]:
    return [
        (file.member, file.layout)
        for file in sniffed
        if file.layout is not None and file.layout.compute_problem(needs_rating=needs_rating) is None
    ]


def _sniff(member: Member) -> SniffedFile:
    """Recognise a file by its first lines."""
    head = member.read_head(_HEAD_BYTES)
    text = head.removeprefix(BYTE_ORDER_MARK).rstrip(b"\r\n").decode("latin-1")
    if not text:
        return SniffedFile(member, layout=None, first_line=None)
    lines = text.split("\n")
    whole = lines[:-1] if len(head) == _HEAD_BYTES and len(lines) > 1 else lines  # the last may be cut off
    whole = [line.removesuffix("\r") for line in whole[:_HEAD_LINES]]
    return SniffedFile(member, layout=None if "\0" in text else recognise(whole), first_line=whole[0])


def _nothing_found(source: Source, sniffed: Sequence[SniffedFile], *, needs_rating: bool) -> DataError:
    """Say why a source has no rating file: what is wrong with the only one, or with one that comes near."""
    near = [file for file in sniffed if file.layout is not None and not file.layout.is_movie_file]
    if len(sniffed) == 1 or near:
        file = (near or sniffed)[0]
        return DataError(
            f"{file.member.label}, line 1: {file.compute_problem(needs_rating=needs_rating)}; {ACCEPTED}"
        )
    names = f" ({_name([file.member for file in sniffed])})" if sniffed else ""
    return DataError(f"{source.label}: no rating file among its {len(sniffed)} files{names}; {ACCEPTED}")


def _name(members: Sequence[Member]) -> str:
    names = [member.path.as_posix() for member in members[:_MAX_NAMED]]
    return ", ".join(names + ["…"] * (len(members) > _MAX_NAMED))
