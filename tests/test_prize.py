"""Whether a copy of the Prize's files is whole: by counts, on small files that stand for the large ones."""

import dataclasses
import json
import tarfile
from pathlib import Path

import pytest

from model import prize
from model.download import main
from model.errors import DataError
from model.prize import check_prize

FILES = {
    "combined_data_1.txt": "1:\n7,5,2005-01-01\n8,4,2005-01-02\n2:\n7,3,2005-01-03\n",
    "combined_data_2.txt": "3:\n9,1,2004-01-01\n",
    "combined_data_3.txt": "4:\n9,1,2004-01-01\n9,2,2004-01-01\n",
    "combined_data_4.txt": "5:\n9,1,2004-01-01\n",
    "movie_titles.csv": "1,2003,Dinosaur: the Planet\n2,NULL,Amélie, or so\n3,1999,C\n4,1999,D\n5,1999,E\n",
    "probe.txt": "1:\n7\n3:\n9\n",
    "qualifying.txt": "1:\n9,2005-12-01\n",
}
ROWS = {
    "combined_data_1.txt": (3, 2),
    "combined_data_2.txt": (1, 1),
    "combined_data_3.txt": (2, 1),
    "combined_data_4.txt": (1, 1),
    "movie_titles.csv": (5, 0),
    "probe.txt": (2, None),
    "qualifying.txt": (1, None),
}
"""How many rows and movies each of `FILES` holds, by hand."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole copy of a Prize of seven ratings."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="latin-1")

    def shrink(expected: prize._Expected) -> prize._Expected:
        n_rows, n_movies = ROWS[expected.names[0]]
        return dataclasses.replace(expected, n_rows=n_rows, n_movies=n_movies)

    monkeypatch.setattr(prize, "_RATINGS", tuple(map(shrink, prize._RATINGS)))
    monkeypatch.setattr(prize, "_OTHERS", tuple(map(shrink, prize._OTHERS)))
    monkeypatch.setattr(prize, "N_RATINGS", 7)
    monkeypatch.setattr(prize, "N_MOVIES", 5)
    return tmp_path


def find_problems(path: Path) -> dict[str, str]:
    """What is wrong, by file."""
    return {check.name: check.problem for check in check_prize(path) if check.problem is not None}


def write_training_set(folder: Path) -> Path:
    """The same ratings in a file a movie, as in the first download; `combined_data` gives way."""
    training_set = folder / "training_set"
    training_set.mkdir()
    for name in [name for name in FILES if name.startswith("combined")]:
        for block in (folder / name).read_text(encoding="ascii").replace("\n2:", "\n\n2:").split("\n\n"):
            movie = int(block.partition(":")[0])
            (training_set / f"mv_{movie:07}.txt").write_text(block, encoding="ascii")
        (folder / name).unlink()
    return training_set


def test_expected_counts_add_up_to_the_prizes_when_summed() -> None:
    """100,480,507 ratings of 17,770 movies, in four files."""
    assert sum(expected.n_rows for expected in prize._RATINGS) == prize.N_RATINGS == 100_480_507
    assert sum(expected.n_movies or 0 for expected in prize._RATINGS) == prize.N_MOVIES == 17_770


def test_check_finds_nothing_wrong_when_all_is_there(folder: Path) -> None:
    """Counts by hand, a title with a colon in it among them."""
    checks = check_prize(folder)
    assert [check.problem for check in checks] == [None] * 7
    assert {check.name: check.n_rows for check in checks} == {name: n for name, (n, _) in ROWS.items()}


@pytest.mark.parametrize("change", [lambda text: text.rstrip("\n"), lambda text: text + "\n\n"])
def test_check_finds_nothing_wrong_when_only_line_ends_differ(folder: Path, change: object) -> None:
    """A last line without its end is a row; blank lines after it are none."""
    assert callable(change)
    for name, text in FILES.items():
        (folder / name).write_text(change(text), encoding="latin-1")
    assert find_problems(folder) == {}


def test_check_finds_nothing_wrong_when_lines_end_as_on_windows(folder: Path) -> None:
    """CR LF is a line end too."""
    for name, text in FILES.items():
        (folder / name).write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    assert find_problems(folder) == {}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "combined_data_1.txt",
            "1:\n7,5,2005-01-01\n8,4,2005-01-02\n",
            "1 ratings are missing; 1 movies are missing",
        ),
        ("combined_data_3.txt", "4:\n9,1,2004-01-01\n9,2,2004-", "breaks off in its last line, '9,2,2004-'"),
        (
            "combined_data_1.txt",
            "1:\n7,5,2005-01-01\n8,4,20",
            "breaks off in its last line, '8,4,20'; 1 ratings are missing; 1 movies are missing",
        ),
        ("combined_data_2.txt", "3:\n9,1,2004-01-01\n8,1,2004-01-01\n", "1 ratings too many"),
        (
            "combined_data_2.txt",
            "",
            "breaks off in its last line, ''; 1 ratings are missing; 1 movies are missing",
        ),
        ("movie_titles.csv", "1,2003,Dinosaur Planet\n", "4 titles are missing"),
        ("probe.txt", "1:\n7\n", "1 pairs are missing"),
        ("qualifying.txt", "1:\n9,2005-12-01\n8,2005-12-02\n", "1 pairs too many"),
    ],
)
def test_check_names_file_and_number_when_rows_are_missing(
    folder: Path, name: str, text: str, problem: str
) -> None:
    """Only the file that was changed is named, with what it lacks."""
    (folder / name).write_text(text, encoding="latin-1")
    assert find_problems(folder) == {name: problem}


def test_check_names_the_file_when_it_is_not_there(folder: Path) -> None:
    """Whichever it is."""
    (folder / "combined_data_4.txt").unlink()
    assert find_problems(folder) == {"combined_data_4.txt": "not there"}


def test_check_reads_a_file_a_movie_when_given_the_first_download(folder: Path) -> None:
    """`training_set/mv_0000001.txt` and so on, counted together."""
    write_training_set(folder)
    assert find_problems(folder) == {}
    [of_all, *_] = check_prize(folder)
    assert (of_all.name, of_all.n_rows) == ("training_set", 7)


def test_check_names_files_when_some_of_a_file_a_movie_are_amiss(folder: Path) -> None:
    """What is not there and what breaks off."""
    training_set = write_training_set(folder)
    (training_set / "mv_0000002.txt").unlink()
    (training_set / "mv_0000004.txt").write_text("4:\n9,1,2004-01-01\n9,", encoding="ascii")
    assert find_problems(folder) == {
        "training_set": "1 files are not there (mv_0000002.txt); 1 files break off (mv_0000004.txt); "
        "1 ratings are missing"
    }


def test_check_reads_the_tar_inside_when_the_first_download_is_packed(folder: Path) -> None:
    """The Prize's own download holds training_set.tar."""
    training_set = write_training_set(folder)
    with tarfile.open(folder / "training_set.tar", "w") as archive:
        archive.add(training_set, "training_set")
    for path in training_set.iterdir():
        path.unlink()
    assert find_problems(folder) == {}


def test_check_refuses_when_there_is_nothing_of_the_prize(tmp_path: Path) -> None:
    """The names that are looked for are said."""
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\n", encoding="ascii")
    with pytest.raises(DataError, match=r"no ratings of the Netflix Prize; expected combined_data_1\.txt"):
        check_prize(tmp_path)


def test_command_ends_with_status_0_when_only_the_lists_of_pairs_are_absent(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Training needs neither."""
    (folder / "qualifying.txt").unlink()
    assert main(["netflix-prize", "--check", str(folder)]) == 0
    output = capsys.readouterr().out
    assert "qualifying.txt                 - of           1 pairs    not there, and not needed" in output
    assert "combined_data_1.txt            3 of           3 ratings  whole" in output


def test_command_ends_with_status_2_when_the_ratings_are_not_whole(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table on standard output, one line on standard error."""
    (folder / "combined_data_2.txt").write_text("3:\n", encoding="ascii")
    assert main(["netflix-prize", "--check", str(folder), "--json"]) == 2
    output, complaint = capsys.readouterr()
    facts = json.loads(output)
    assert facts["whole"] is False
    assert facts["files"][1]["n_rows"] == 0
    assert complaint == (
        f"python -m model.download: error: {folder} is not whole: combined_data_2.txt: "
        "breaks off in its last line, '3:'; 1 ratings are missing\n"
    )
