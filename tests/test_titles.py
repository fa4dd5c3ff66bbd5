"""Titles are found as people type them."""

import itertools
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from model.errors import ArtifactIncompatibleError
from model.titles import Titles, split_words, write_titles

COUNTS = {
    "Matrix, The": 90,
    "The Matrix Reloaded": 95,
    "Amélie": 50,
    "Schindler's List": 40,
    "Spider-Man": 30,
    "Fast & Furious": 20,
    "The The": 10,
    "E.T. the Extra-Terrestrial": 9,
    "Æon Flux": 8,
    "東京物語": 7,
    "Cats": 6,
    "Cat Ballou": 5,
    "Catwoman": 5,
    "": 0,
}
NAMES = list(COUNTS)
MOST_RATED = ["The Matrix Reloaded", "Matrix, The", "Amélie", "Schindler's List", "Spider-Man"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of these titles."""
    file = tmp_path_factory.mktemp("titles") / "titles #1?.sqlite"
    write_titles(file, NAMES, counts=np.array(list(COUNTS.values())))
    return file


@pytest.fixture(scope="module")
def titles(path: Path) -> Titles:
    """The open file."""
    return Titles(path)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("the matrix", ["Matrix, The", "The Matrix Reloaded"]),
        ("MATRIX THE", ["Matrix, The", "The Matrix Reloaded"]),
        ("matrix", ["Matrix, The", "The Matrix Reloaded"]),
        ("matrix, r", ["The Matrix Reloaded"]),
        ("amelie", ["Amélie"]),
        ("AMÉL", ["Amélie"]),
        ("schindlers list", ["Schindler's List"]),
        ("Schindler’s", ["Schindler's List"]),
        ("spiderman", ["Spider-Man"]),
        ("spider man", ["Spider-Man"]),
        ("spider-m", ["Spider-Man"]),
        ("fast and furious", ["Fast & Furious"]),
        ("the the", ["The The", "The Matrix Reloaded", "Matrix, The", "E.T. the Extra-Terrestrial"]),
        ("et", ["E.T. the Extra-Terrestrial"]),
        ("e.t. extra", ["E.T. the Extra-Terrestrial"]),
        ("aeon", ["Æon Flux"]),
        ("東京", ["東京物語"]),
        ("cat", ["Cat Ballou", "Cats", "Catwoman"]),
        ("ballou cat", ["Cat Ballou"]),
        ("atrix", []),
        ("matrix dog", []),
    ],
)
def test_search_finds_titles_when_typed_as_people_type(titles: Titles, query: str, found: list[str]) -> None:
    """Case, accents, apostrophes, compounds, articles and unfinished words; whole words come first."""
    assert titles.find(titles.search(query, limit=10)) == found


@pytest.mark.parametrize("query", ["", "   ", "*", '"', "()", "\0", "'; --", "\ud800"])
def test_search_lists_the_most_rated_when_nothing_is_asked(titles: Titles, query: str) -> None:
    """A query without letters and digits is an empty one."""
    assert titles.find(titles.search(query, limit=5)) == MOST_RATED


@pytest.mark.parametrize(
    "query", ["OR", "cat NOT dog", "cat*", "title:cat", 'NEAR("cat" 2)', "cat AND", "^cat", "-cat"]
)
def test_search_takes_operators_for_words_when_typed(titles: Titles, query: str) -> None:
    """None is an error, and each finds only titles that hold all of its words."""
    for title in titles.find(titles.search(query, limit=10)):
        held = split_words(title)
        assert all(any(part.startswith(word) for part in held) for word in split_words(query))


@given(query=st.text(max_size=100))
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_search_never_fails_when_the_query_is_any_text(titles: Titles, query: str) -> None:
    """Any text is answered, with different movies and no more than asked for."""
    found = titles.search(query, limit=3)
    assert len(set(found)) == len(found) <= 3


def test_search_takes_as_many_words_as_a_query_can_have(titles: Titles) -> None:
    """Fifty different words of the longest query are no error."""
    words = " ".join(itertools.islice(map(chr, range(0x4E00, 0x9FFF)), 50))
    assert titles.search(words, limit=5) == []


def test_search_limits_what_it_finds_when_more_match(titles: Titles) -> None:
    """The best of them are kept: the title that is the query, then the one with more ratings."""
    assert titles.find(titles.search("the matrix", limit=1)) == ["Matrix, The"]
    assert titles.find(titles.search("the", limit=1)) == ["The Matrix Reloaded"]
    assert titles.find(titles.search("", limit=1)) == ["The Matrix Reloaded"]


def test_titles_that_stand_twice_are_both_found_when_searched(tmp_path: Path) -> None:
    """Remakes share a title; of equally many ratings the lower index comes first."""
    write_titles(tmp_path / "twice", ["Heat", "Cold", "Heat", "Heat"], counts=np.array([1, 5, 1, 2]))
    assert Titles(tmp_path / "twice").search("heat", limit=9) == [3, 0, 2]


def test_titles_of_no_movie_at_all_are_searched_without_finding(tmp_path: Path) -> None:
    """An empty catalogue is a catalogue."""
    write_titles(tmp_path / "empty", [], counts=np.array([], dtype=np.int64))
    assert Titles(tmp_path / "empty").search("", limit=5) == []


def test_threads_find_the_same_when_they_share_titles(titles: Titles) -> None:
    """Eight threads at once: each gets what it would get alone."""
    queries = ["matrix", "cat", "", "spider man", "the"] * 40
    alone = [titles.search(query, limit=5) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda query: titles.search(query, limit=5), queries)) == alone


def test_open_titles_stay_when_the_file_is_replaced(tmp_path: Path) -> None:
    """Whoever has the old bundle open goes on reading the old titles."""
    file = tmp_path / "titles"
    write_titles(file, ["Old"], counts=np.array([1]))
    titles = Titles(file)
    file.unlink()
    write_titles(file, ["New"], counts=np.array([1]))
    assert titles.find(titles.search("", limit=1)) == ["Old"]


def test_file_is_only_read_when_opened(path: Path, titles: Titles) -> None:
    """Nothing is written beside it and nothing can be written into it."""
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        titles._connection.execute("DELETE FROM movies")


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_titles_are_refused_when_the_file_is_no_database(tmp_path: Path, content: bytes) -> None:
    """The error names the file."""
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(ArtifactIncompatibleError, match="broken does not hold searchable titles"):
        Titles(tmp_path / "broken")


def test_titles_are_refused_when_the_file_is_missing(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(ArtifactIncompatibleError, match="nowhere does not hold searchable titles"):
        Titles(tmp_path / "nowhere")
