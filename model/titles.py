"""Titles of movies, and the search among them: one SQLite file with a full-text index, written at export.

People type titles as they remember them: in any case, without accents and apostrophes, words half finished,
the article in front that the catalogue has behind. Titles and queries are folded alike by `split_words`, so
SQLite sees plain words only, and nothing that anybody types is an operator to it.
"""

import re
import sqlite3
import threading
import unicodedata
import weakref
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.errors import ArtifactIncompatibleError

# Rows are numbered by falling number of ratings, so that the index yields the popular ones first. The index
# keeps no text and no positions: a query asks for words anywhere in the title.
_SCHEMA: Final = """
CREATE TABLE movies (
    place INTEGER PRIMARY KEY, movie_index INTEGER NOT NULL UNIQUE, title TEXT NOT NULL, name TEXT NOT NULL
);
CREATE INDEX by_name ON movies (name);
CREATE VIRTUAL TABLE words USING fts5 (
    title, content = '', columnsize = 0, detail = none, prefix = '1 2 3', tokenize = 'ascii'
);
"""
_BY_NAME: Final = "SELECT movie_index FROM movies WHERE name = ? ORDER BY place LIMIT ?"
_BY_WORDS: Final = """
SELECT movie_index FROM words JOIN movies ON place = words.rowid
WHERE words MATCH ? ORDER BY words.rowid LIMIT ?
"""
_MOST_RATED: Final = "SELECT movie_index FROM movies ORDER BY place LIMIT ?"
_TITLE: Final = "SELECT title FROM movies WHERE movie_index = ?"

_ARTICLES: Final = frozenset({"a", "an", "the"})
_SPELLINGS: Final = str.maketrans({
    "&": " and ", "'": None, "’": None, "ʼ": None, "`": None,
    "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i",
})  # fmt: skip
"""What no Unicode decomposition takes apart, as people without such keys write it."""
_WORD: Final = re.compile(r"[^\W_]+")


def split_words(text: str) -> list[str]:
    """Take a title or a query apart into folded words: no case, accents, apostrophes or punctuation.

    >>> split_words("Amélie & the Sorcerer’s Stone")
    ['amelie', 'and', 'the', 'sorcerers', 'stone']
    """
    return _WORD.findall(_fold(text))


def write_titles(path: Path, titles: Sequence[str], *, counts: NDArray[np.integer]) -> None:
    """Write the file of titles.

    Args:
        path: the file, which must not be there yet.
        titles: (n_movies,) in the order of the catalogue.
        counts: (n_movies,) how many ratings each movie has.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCHEMA)
        with connection:
            for place, movie in enumerate(np.argsort(-counts, kind="stable").tolist()):
                title = titles[movie]
                row = (place, movie, title, _name(split_words(title)))
                connection.execute("INSERT INTO movies VALUES (?, ?, ?, ?)", row)
                words = " ".join(_index_words(title))
                connection.execute("INSERT INTO words (rowid, title) VALUES (?, ?)", (place, words))
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        connection.execute("VACUUM")


class Titles:
    """An open file of titles; safe to share between threads.

    Args:
        path: what `write_titles` wrote. It may be replaced or removed later: the file once opened is read.

    Raises:
        ArtifactIncompatibleError: if it is not such a file, or SQLite here cannot search it.
    """

    def __init__(self, path: Path) -> None:
        # Immutable: no locks and no journal, which a read-only file system could not have. One connection and
        # one lock, because not every build of SQLite lets threads share a connection.
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            weakref.finalize(self, self._connection.close)
            self.search("a", limit=1)
        except sqlite3.Error as error:
            raise ArtifactIncompatibleError(f"{path} does not hold searchable titles: {error}") from error

    def find(self, movies: Sequence[int]) -> list[str]:
        """Look titles up: indexes of the catalogue to titles, empty where the source gave none."""
        with self._lock:
            return [str(self._connection.execute(_TITLE, (movie,)).fetchone()[0]) for movie in movies]

    def search(self, text: str, *, limit: int) -> list[int]:
        """Find the movies whose titles hold every word of a text, or begin one of theirs with it.

        First those with just these words, articles aside; then those that hold them whole; then those that
        hold words which begin so. Among equals those with more ratings come first, then the lower index.

        Args:
            text: as typed; without any letter or digit it asks for the most rated movies.
            limit: how many at most.

        Returns:
            Indexes of the catalogue.
        """
        words = split_words(text)
        if not words:
            return self._select(_MOST_RATED, limit)
        different = sorted(set(words))
        found = self._select(_BY_NAME, _name(words), limit)
        for mark in ("", "*"):
            if len(found) < limit:
                found += self._select(_BY_WORDS, " ".join(f'"{word}"{mark}' for word in different), limit)
                found = list(dict.fromkeys(found))
        return found[:limit]

    def _select(self, statement: str, *values: object) -> list[int]:
        with self._lock:
            return [movie for (movie,) in self._connection.execute(statement, values)]


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(mark for mark in decomposed if not unicodedata.combining(mark)).translate(_SPELLINGS)


def _name(words: Sequence[str]) -> str:
    """What two spellings of one title have in common: its words in any order, articles left out."""
    return " ".join(sorted(word for word in words if word not in _ARTICLES) or sorted(words))


def _index_words(title: str) -> list[str]:
    """A title's words, and what its compounds are when written as one: spider, man and spiderman."""
    words = []
    for compound in _fold(title).split():
        parts = _WORD.findall(compound)
        words += parts if len(parts) < 2 else [*parts, "".join(parts)]
    return words
