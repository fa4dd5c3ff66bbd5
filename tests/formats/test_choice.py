"""Choosing the files to read."""

import io
import tarfile
from pathlib import Path

import pytest

from model.errors import DataError
from model.formats.choice import choose_movie_file, choose_rating_files
from model.formats.layout import PRIZE_PROBE, PRIZE_RATINGS
from model.formats.source import open_source

MV_1 = b"1:\n7,3,2005-01-01\n"
MV_2 = b"2:\n7,3,2005-01-01\n"
PROBE = b"1:\n7\n"
QUALIFYING = b"1:\n7,2005-01-01\n"
TITLES = b"1,2003,One\n2,NULL,Two\n"
RATINGS_DAT = b"1::2::3::978300760\n"
RATINGS_CSV = b"userId,movieId,rating,timestamp\n1,2,3.0,978300760\n"
MOVIES_CSV = b"movieId,title,genres\n2,Two (1995),Drama\n"
U_DATA = b"1\t2\t3\t978300760\n"
README = b"SUMMARY\n=======\n"


def write(folder: Path, contents: dict[str, bytes]) -> Path:
    """Write files into a folder."""
    for name, data in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def chosen(path: Path) -> tuple[list[str], str | None]:
    """The names of the rating files, and of the movie file, chosen at a path."""
    with open_source(path) as source:
        files = choose_rating_files(source)
        movie_file = choose_movie_file(source, files)
        return [str(m.path) for m in files.members], None if movie_file is None else str(movie_file[0].path)


def test_prize_files_are_one_data_set_when_there_are_several(tmp_path: Path) -> None:
    """They count by number; probe, qualifying and read-me are passed over, the titles found."""
    contents = {
        "training_set/mv_10.txt": MV_1,
        "training_set/mv_9.txt": MV_2,
        "movie_titles.txt": TITLES,
        "probe.txt": PROBE,
        "qualifying.txt": QUALIFYING,
        "README": README,
        "empty": b"",
        "binary": b"1:\n\0\0",
    }
    expected = ["training_set/mv_9.txt", "training_set/mv_10.txt"], "movie_titles.txt"
    assert chosen(write(tmp_path, contents)) == expected


def test_ratings_are_recognised_by_content_when_names_say_nothing(tmp_path: Path) -> None:
    """Names do not matter, neither of ratings nor of movies."""
    assert chosen(write(tmp_path, {"a": RATINGS_CSV, "b": MOVIES_CSV})) == (["a"], "b")


def test_whole_is_preferred_when_split_files_stand_beside_it(tmp_path: Path) -> None:
    """u.data is preferred to u1.base and u1.test; a lone split file is read."""
    contents = {"u.data": U_DATA, "u1.base": U_DATA, "u1.test": U_DATA}
    assert chosen(write(tmp_path, contents)) == (["u.data"], None)
    (tmp_path / "u.data").unlink()
    (tmp_path / "u1.test").unlink()
    assert chosen(tmp_path) == (["u1.base"], None)


def test_movie_file_is_found_beside_the_ratings_when_a_single_file_is_given(tmp_path: Path) -> None:
    """The movie file of the same family is taken, not that of another; without one, what there is."""
    write(tmp_path, {"ratings.csv": RATINGS_CSV, "ratings.dat": RATINGS_DAT})
    write(tmp_path, {"movies.csv": MOVIES_CSV, "movie_titles.csv": TITLES})
    assert chosen(tmp_path / "ratings.csv")[1] == "movies.csv"
    write(tmp_path, {"movies.dat": b"2::Two (1995)::Drama\n"})
    assert chosen(tmp_path / "ratings.dat")[1] == "movies.dat"
    write(tmp_path / "mv", {"mv_1.txt": MV_1, "movies.csv": MOVIES_CSV})
    assert chosen(tmp_path / "mv" / "mv_1.txt")[1] == "movies.csv"


def test_movie_file_of_the_same_folder_is_preferred_when_there_are_others(tmp_path: Path) -> None:
    """A movie file elsewhere in the source gives way to the one beside the ratings."""
    contents = {"old/movies.csv": MOVIES_CSV, "new/movies.csv": MOVIES_CSV, "new/ratings.csv": RATINGS_CSV}
    assert chosen(write(tmp_path, contents))[1] == "new/movies.csv"


def test_choice_is_refused_when_there_are_two_movie_files(tmp_path: Path) -> None:
    """Two movie files are named."""
    contents = {"a.csv": MOVIES_CSV, "b.csv": MOVIES_CSV, "ratings.csv": RATINGS_CSV}
    with pytest.raises(DataError, match=r"2 movie files \(a.csv, b.csv\); expected at most one"):
        chosen(write(tmp_path, contents) / "ratings.csv")


def test_choice_is_refused_when_there_are_different_rating_files(tmp_path: Path) -> None:
    """The candidates are named, the Prize's files by their first, and one is asked for."""
    write(tmp_path, {"a.csv": RATINGS_CSV, "b.dat": RATINGS_DAT, "mv_1.txt": MV_1, "mv_2.txt": MV_2})
    with pytest.raises(DataError) as caught:
        chosen(tmp_path)
    expected = f"{tmp_path}: holds 3 different rating files (a.csv, b.dat, mv_1.txt); give one of them"
    assert str(caught.value) == expected


def test_choice_names_some_when_there_are_many(tmp_path: Path) -> None:
    """Of many candidates five are named."""
    write(tmp_path, {f"{name}.csv": RATINGS_CSV for name in "abcdefg"})
    with pytest.raises(DataError, match=r"holds 7 .*\(a.csv, b.csv, c.csv, d.csv, e.csv, …\)"):
        chosen(tmp_path)


def test_choice_is_refused_when_a_folder_holds_no_ratings(tmp_path: Path) -> None:
    """The files are named with what is accepted; an empty folder is said to hold none."""
    with pytest.raises(DataError, match="no rating file among its 0 files; accepted are"):
        chosen(tmp_path)
    write(tmp_path, {"README": README, "movies.csv": MOVIES_CSV})
    with pytest.raises(DataError, match=r"no rating file among its 2 files \(README, movies.csv\); accepted"):
        chosen(tmp_path)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (README, "'SUMMARY' begins no rating file"),
        (b"\xef\xbb\xbf\r\n\n", "empty file"),
        (b"\n" + RATINGS_CSV, "'' begins no rating file"),
        (b"x" * 20_000, "begins no rating file"),
        (PROBE, "no column for rating, date or timestamp (its lines are 'user below a line movie:')"),
        (TITLES, "no column for user, rating, date or timestamp"),
        (b"userId,movieId,tag,timestamp\n1,2,good,3\n", "no column for rating"),
        (b"user_id,customer_id,movie_id,rating,date\n", "more than one column for user"),
    ],
)
def test_choice_is_refused_when_the_only_file_holds_no_ratings(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    """The message names the file, its first line, what is missing and what is accepted."""
    path = write(tmp_path, {"file": data}) / "file"
    with pytest.raises(DataError) as caught:
        chosen(path)
    assert str(caught.value).startswith(f"{path}, line 1: ")
    assert problem in str(caught.value)
    assert "accepted are the Netflix Prize's files" in str(caught.value)


def test_choice_names_the_near_miss_when_a_folder_holds_one(tmp_path: Path) -> None:
    """Of several files without ratings the one that comes near is explained."""
    write(tmp_path, {"README": README, "rated.csv": b"user_id,movie_id,rating\n1,2,3\n"})
    with pytest.raises(DataError, match=r"rated\.csv, line 1: no column for date or timestamp \("):
        chosen(tmp_path)


def test_long_files_are_recognised_when_the_head_ends_within_a_line(tmp_path: Path) -> None:
    """A line cut off by the end of the head does not count."""
    write(tmp_path, {"ratings.dat": b"1::2::3::978300760\r\n" * 2000})
    assert chosen(tmp_path)[0] == ["ratings.dat"]


@pytest.mark.parametrize("name", ["download.tar.gz", "download"])
def test_inner_tar_is_read_when_nothing_else_holds_ratings(tmp_path: Path, name: str) -> None:
    """The Prize's own download holds training_set.tar beside the titles, in a .tar.gz or in a folder."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        info = tarfile.TarInfo("training_set/mv_0000001.txt")
        info.size = len(MV_1)
        archive.addfile(info, io.BytesIO(MV_1))
    contents = {"training_set.tar": inner.getvalue(), "movie_titles.txt": TITLES, "probe.txt": PROBE}
    folder = write(tmp_path / "download", contents)
    with tarfile.open(tmp_path / "download.tar.gz", "w:gz") as archive:
        archive.add(folder, "download")
    files, movie_file = chosen(tmp_path / name)
    assert files == ["training_set/mv_0000001.txt"]
    assert Path(str(movie_file)).name == "movie_titles.txt"


def test_probe_is_chosen_when_pairs_are_asked_for(tmp_path: Path) -> None:
    """A single file may hold pairs; in a folder ratings are looked for."""
    write(tmp_path, {"probe.txt": PROBE, "mv_1.txt": MV_1})
    with open_source(tmp_path / "probe.txt") as source:
        assert choose_rating_files(source, needs_rating=False).layout == PRIZE_PROBE
    with open_source(tmp_path) as source:
        assert choose_rating_files(source, needs_rating=False).layout == PRIZE_RATINGS
