"""Reading a large data set once: the same ratings from the cache, and no damaged store is believed."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from model import cache, checksums
from model.cache import FACTS, open_store, read_ratings_once
from model.errors import ArtifactIncompatibleError, ArtifactMissingError, DataError
from model.history import build_history
from model.ratings import read_ratings, write_sample_csv
from model.store import ARRAYS
from model.table import Ratings


@pytest.fixture
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets of a thousand ratings are kept."""
    monkeypatch.setattr(cache, "SMALLEST", 1_000)


pytestmark = pytest.mark.usefixtures("_everything_is_large")


@pytest.fixture
def source(tiny_ratings: Ratings, tmp_path: Path) -> Path:
    """1,200 ratings as text."""
    write_sample_csv(tiny_ratings, tmp_path / "ratings.csv")
    return tmp_path / "ratings.csv"


@pytest.fixture
def stores(tmp_path: Path) -> Path:
    """Where the stores are."""
    return tmp_path / "cache"


def refuse(_: Path) -> Ratings:
    raise AssertionError("the text was read again")


def find_store(stores: Path) -> Path:
    """The only store; nothing unfinished is beside it."""
    [store] = stores.iterdir()
    return store


def test_ratings_are_the_same_when_read_from_the_cache(
    source: Path, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a line of text is read the second time; what is built from the ratings is the same."""
    told: list[str] = []
    first = read_ratings_once(source, stores, say=told.append)
    monkeypatch.setattr(cache, "read_ratings", refuse)
    second = read_ratings_once(source, stores, say=told.append)
    assert [line.partition(" ")[0] for line in told] == ["keeping", "reading"]
    assert (second.scale, second.n_duplicates) == (first.scale, first.n_duplicates)
    assert second.origin is first.origin
    assert list(second.movies.titles) == list(first.movies.titles)
    ours, theirs = build_history(first), build_history(second)
    for name in ARRAYS:
        if not name.startswith("movie_") or name in {"movie_ids", "movie_offsets", "movie_histogram"}:
            np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name))
    # a movie's ratings of one day may come in another order of users
    for movie in range(ours.n_movies):
        rows = ours.movie_rows(movie)
        for history in (ours, theirs):
            assert np.all(np.diff(history.movie_days[rows]) >= 0)
        columns = ("movie_days", "movie_users", "movie_codes")
        by_user = [
            sorted(zip(*(getattr(history, name)[rows].tolist() for name in columns), strict=True))
            for history in (ours, theirs)
        ]
        assert by_user[0] == by_user[1]


def test_store_takes_at_most_16_bytes_a_rating_when_written(source: Path, stores: Path) -> None:
    """Both ways, without what belongs to users and movies."""
    ratings = read_ratings_once(source, stores, say=lambda _: None)
    by_rating = [name for name in ARRAYS if name.rpartition("_")[2] in {"movies", "users", "codes", "days"}]
    assert len(by_rating) == 6
    size = sum(np.load(find_store(stores) / f"{name}.npy").nbytes for name in by_rating)
    assert size / len(ratings) <= 16


def test_small_data_is_not_kept(source: Path, stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written for what is read in a moment."""
    monkeypatch.setattr(cache, "SMALLEST", 1_201)
    assert len(read_ratings_once(source, stores, say=lambda _: None)) == 1_200
    assert not stores.exists()


def damage_store(store: Path, damage: str) -> Path:
    """Do to a store what disks and people do; returns the path that is to be named."""
    path = store / (FACTS if "facts" in damage else "user_days.npy")
    if damage == "no folder":
        path = store / FACTS
        shutil.rmtree(store)
        store.write_text("a file in its place", encoding="utf-8")
    elif damage in {"deleted", "no facts", "facts a folder"}:
        path.unlink()
        if damage == "facts a folder":
            path.mkdir()
    elif damage in {"odd facts", "facts of nothing"}:
        path.write_text('{"samples": 3}' if damage == "odd facts" else "[]")
    elif damage == "changed facts":
        path.write_text(path.read_text().replace('"n_duplicates": 0', '"n_duplicates": 1'))
    else:
        data = path.read_bytes()
        path.write_bytes(data[:-100] if damage == "truncated" else data[:-1] + bytes([data[-1] ^ 1]))
    return path


@pytest.mark.parametrize(
    "damage",
    [
        "changed",
        "truncated",
        "deleted",
        "no facts",
        "odd facts",
        "facts of nothing",
        "changed facts",
        "facts a folder",
        "no folder",
    ],
)
def test_store_is_written_anew_when_it_is_damaged(
    source: Path, stores: Path, tiny_ratings: Ratings, damage: str
) -> None:
    """What is damaged is named, and the text read again; nothing of the damaged one is left."""
    read_ratings_once(source, stores, say=lambda _: None)
    path = damage_store(find_store(stores), damage)
    with pytest.raises((ArtifactMissingError, ArtifactIncompatibleError), match=path.name):
        open_store(path.parent)
    told: list[str] = []
    ratings = read_ratings_once(source, stores, say=told.append)
    assert len(ratings) == len(tiny_ratings)
    assert "is damaged and will be written anew" in told[0]
    assert path.name in told[0]
    assert told[1].startswith("keeping")
    assert open_store(find_store(stores), every_byte=True).history.n_ratings == len(tiny_ratings)


@pytest.mark.parametrize("name", ["user_movies", "user_codes", "movie_users"])
def test_store_is_written_anew_when_a_byte_between_two_samples_has_changed(
    source: Path, stores: Path, tiny_ratings: Ratings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Mapping alone samples large files and believes it; who reads all ratings has every byte checked."""
    monkeypatch.setattr(cache, "LARGE_FILE", 1_000)
    monkeypatch.setattr(checksums, "LARGE_FILE", 1_000)
    monkeypatch.setattr(checksums, "SAMPLE_BYTES", 4)
    read_ratings_once(source, stores, say=lambda _: None)
    path = find_store(stores) / f"{name}.npy"
    data = bytearray(path.read_bytes())
    # half a step after the eleventh of 64 pieces
    between = (len(data) - 4) * 21 // (2 * 63)
    data[between] ^= 1
    path.write_bytes(data)
    assert open_store(path.parent).history.n_ratings == len(tiny_ratings)
    with pytest.raises(ArtifactIncompatibleError, match=rf"{name}\.npy is not the file that was written"):
        open_store(path.parent, every_byte=True)
    told: list[str] = []
    ratings = read_ratings_once(source, stores, say=told.append)
    assert "is damaged and will be written anew" in told[0]
    assert np.array_equal(np.sort(ratings.user_ids), np.sort(tiny_ratings.user_ids))
    assert open_store(find_store(stores), every_byte=True).n_duplicates == 0


def test_text_is_read_again_when_it_changes(source: Path, stores: Path) -> None:
    """Another size or another time of change is another source."""
    read_ratings_once(source, stores, say=lambda _: None)
    with source.open("a", encoding="utf-8") as stream:
        stream.write("1,5,2005-01-01,1,1999,New\n")
    again = read_ratings_once(source, stores, say=lambda _: None)
    assert len(again) == 1_201
    os.utime(source, ns=(1, 1))
    read_ratings_once(source, stores, say=lambda _: None)
    assert len(list(stores.iterdir())) == 3


def test_nothing_is_left_when_writing_fails(
    source: Path, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk leaves no half store."""

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(cache, "write_history", fail)
    with pytest.raises(OSError, match="no space"):
        read_ratings_once(source, stores, say=lambda _: None)
    assert list(stores.iterdir()) == []


def test_folder_and_missing_path_are_read_as_ever(source: Path, stores: Path, tmp_path: Path) -> None:
    """A folder is known by its files; what is not there is the reader's to name."""
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(source, folder / "a.csv")
    read_ratings_once(folder, stores, say=lambda _: None)
    assert json.loads((find_store(stores) / FACTS).read_text())["n_duplicates"] == 0
    assert len(read_ratings(folder)) == 1_200
    with pytest.raises(DataError):
        read_ratings_once(tmp_path / "nothing", stores, say=lambda _: None)
