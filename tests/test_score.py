"""Scoring pairs in bulk, and the command around it."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import Rated, make_history
from tiny_run import list_folder

from model import score
from model.bundle import load_bundle
from model.dates import format_day, parse_day
from model.formats.pairs import Pairs
from model.history import NO_CUT, History
from model.score import count_known, main, score_pairs, write_predictions
from model.serving.predictor import Predictor, Query
from model.table import Ids

DAY = parse_day("2003-07-01")
STRANGER, NOTHING = 2_649_430, 9_999
"""A user and a movie that the made-up data cannot have."""


@pytest.fixture(scope="module")
def predictor(bundle_path: Path) -> Predictor:
    """The tiny bundle's."""
    return Predictor(load_bundle(bundle_path))


@pytest.fixture(scope="module")
def history(bundle_path: Path) -> History:
    """The tiny bundle's."""
    return load_bundle(bundle_path).history


def make_pairs(pairs: list[tuple[int, int]], *, days: list[int] | None = None) -> Pairs:
    return Pairs(
        user_ids=np.array([user for user, _ in pairs], dtype=np.int64),
        movie_ids=np.array([movie for _, movie in pairs], dtype=np.int64),
        days=None if days is None else np.array(days, dtype=np.int16),
        stars=None,
        is_prize_query=False,
    )


def draw_pairs(history: History, rng: np.random.Generator, n: int) -> list[tuple[int, int]]:
    """Pairs of known users and movies in no order, rated or not, and some strangers."""
    users = rng.choice([*history.user_ids.tolist(), STRANGER], n)
    movies = rng.choice([*history.movie_ids.tolist(), NOTHING], n)
    return list(zip(users.tolist(), movies.tolist(), strict=True))


def predict_alone(
    predictor: Predictor,
    pairs: list[tuple[int, int]],
    cuts: list[int | None],
    days: list[int] | list[None] | None = None,
) -> list[float]:
    """One query at a time."""
    return [
        predictor.predict([Query(user_id=user, movie_id=movie, as_of=cut, day=day)])[0].predicted_rating
        for (user, movie), cut, day in zip(pairs, cuts, days or [None] * len(pairs), strict=True)
    ]


def run_command(bundle: Path, pairs: Path, *flags: str) -> int:
    """Run the command; the output is `predicted` beside the pairs."""
    output = pairs.with_name("predicted")
    return main(["--bundle", str(bundle), "--pairs", str(pairs), "--output", str(output), *flags])


def read_stars(path: Path) -> list[float]:
    """The last column of the output."""
    return [float(line.rpartition(",")[2]) for line in path.read_text(encoding="ascii").splitlines()[1:]]


@pytest.mark.parametrize("chunk_pairs", [1, 7, 2_048])
def test_score_pairs_equals_each_alone_when_chunked(
    predictor: Predictor,
    history: History,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    chunk_pairs: int,
) -> None:
    """Whatever the chunks, each pair gets its own prediction, in its own place."""
    monkeypatch.setattr(score, "CHUNK_PAIRS", chunk_pairs)
    pairs = draw_pairs(history, rng, 60)
    predicted = score_pairs(predictor, make_pairs(pairs), np.full(60, NO_CUT, dtype=np.int32))
    assert predicted.tolist() == pytest.approx(predict_alone(predictor, pairs, [None] * 60), abs=1e-5)


@pytest.mark.parametrize("chunk_cuts", [1, 3, 8])
def test_score_pairs_cuts_each_at_its_own_day_when_days_differ(
    predictor: Predictor,
    history: History,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    chunk_cuts: int,
) -> None:
    """Twenty days among sixty pairs, in chunks of a few days: each sees what was known on its day."""
    monkeypatch.setattr(score, "CHUNK_CUTS", chunk_cuts)
    pairs = draw_pairs(history, rng, 60)
    cuts = rng.choice(history.user_days[::60], 60).astype(np.int32)
    predicted = score_pairs(predictor, make_pairs(pairs), cuts)
    assert len(np.unique(cuts)) > 8
    assert predicted.tolist() == pytest.approx(predict_alone(predictor, pairs, cuts.tolist()), abs=1e-5)


def test_score_pairs_does_a_users_work_once_when_rows_are_scattered(
    predictor: Predictor, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks hold whole users, next to each other."""
    monkeypatch.setattr(score, "CHUNK_PAIRS", 4)
    users, movie = history.user_ids[:3].tolist(), int(history.movie_ids[0])
    asked: list[list[int]] = []

    class Watcher(Predictor):
        def __init__(self) -> None:
            pass

        def predict_pairs(self, user_ids: Ids, movie_ids: Ids, **_: object) -> np.ndarray:
            asked.append(user_ids.tolist())
            return np.zeros(len(movie_ids), dtype=np.float32)

    score_pairs(
        Watcher(), make_pairs([(user, movie) for user in users * 4]), np.full(12, NO_CUT, dtype=np.int32)
    )
    assert asked == [[user] * 4 for user in users]


def test_count_known_leaves_the_own_rating_out_when_history_has_it() -> None:
    """User 1 rated movies 10, 20 and 30 on days 5, 6 and 7."""
    history = make_history([Rated(1, 10, 3, 5), Rated(1, 20, 3, 6), Rated(1, 30, 3, 7), Rated(2, 10, 3, 5)])
    pairs = make_pairs([(1, 10), (1, 99), (1, 10), (1, 30), (2, 20), (3, 10)])
    cuts = np.array([NO_CUT, NO_CUT, 7, 7, 5, NO_CUT], dtype=np.int32)
    assert count_known(history, pairs, cuts).tolist() == [2, 3, 1, 2, 0, 0]


def test_write_predictions_writes_one_line_a_pair_when_pairs_are_a_csv(tmp_path: Path) -> None:
    """A header and four digits, in the order of the pairs."""
    write_predictions(
        tmp_path / "out", make_pairs([(9, 10), (1, 20)]), np.array([3.25, 1.0], dtype=np.float32)
    )
    assert (tmp_path / "out").read_bytes() == b"user_id,movie_id,predicted_rating\n9,10,3.2500\n1,20,1.0000\n"
    assert list_folder(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_write_predictions_leaves_the_old_file_when_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """The output is there whole or as it was."""
    (tmp_path / "out").write_text("old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(score, "_format_csv", fail)
    with pytest.raises(error):
        write_predictions(tmp_path / "out", make_pairs([(1, 1)]), np.ones(1, dtype=np.float32))
    assert (tmp_path / "out").read_text() == "old"
    assert list_folder(tmp_path) == ["out"]


def test_command_predicts_everybody_when_pairs_have_strangers(
    bundle_path: Path,
    history: History,
    tmp_path: Path,
    predictor: Predictor,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Known and unknown users and movies, in the file's order; without ratings no RMSE is claimed."""
    user, movie = int(history.user_ids[5]), int(history.movie_ids[3])
    asked = [(user, movie), (STRANGER, movie), (user, NOTHING), (STRANGER, NOTHING), (user, movie)]
    (tmp_path / "pairs.csv").write_text("user_id,movie_id\n" + "".join(f"{u},{m}\n" for u, m in asked))
    assert run_command(bundle_path, tmp_path / "pairs.csv") == 0
    lines = (tmp_path / "predicted").read_text().splitlines()
    assert lines[0] == "user_id,movie_id,predicted_rating"
    assert [line.rpartition(",")[0] for line in lines[1:]] == [f"{u},{m}" for u, m in asked]
    expected = predict_alone(predictor, asked, [None] * 5)
    assert read_stars(tmp_path / "predicted") == pytest.approx(expected, abs=1e-4)
    said = capsys.readouterr()
    assert not said.err
    assert said.out == (
        f"{tmp_path / 'predicted'}: 5 predictions, "
        "2 of them for users and 2 for movies that the bundle does not know\n"
    )


def test_command_prints_the_rmse_when_ratings_are_known(
    bundle_path: Path, history: History, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was written against what was given: the root of the mean square, all and by history length."""
    user = int(history.user_ids[np.diff(history.user_offsets).argmax()])
    known = int(np.diff(history.user_offsets).max())
    rated = history.movie_ids[
        history.user_movies[history.user_rows(int(history.find_users(np.array([user]))[0]))]
    ]
    asked = [(user, int(rated[0]), 4), (STRANGER, int(rated[0]), 2), (STRANGER, NOTHING, 5)]
    text = "".join(f"{u},{m},{stars}\n" for u, m, stars in asked)
    (tmp_path / "pairs.csv").write_text("user_id,movie_id,rating\n" + text)
    assert run_command(bundle_path, tmp_path / "pairs.csv", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    squares = [
        (ours - stars) ** 2
        for ours, (*_, stars) in zip(read_stars(tmp_path / "predicted"), asked, strict=True)
    ]
    assert report["rmse"] == pytest.approx(math.sqrt(sum(squares) / 3), abs=1e-4)
    assert report["output"] == str(tmp_path / "predicted")
    assert (report["pairs"], report["unknown_users"], report["unknown_movies"]) == (3, 2, 1)
    buckets = {bucket["ratings_known"]: bucket for bucket in report["rmse_by_history_length"]}
    assert buckets["0"]["rows"] == 2
    assert buckets["0"]["rmse"] == pytest.approx(math.sqrt(sum(squares[1:]) / 2), abs=1e-4)
    assert 20 <= known - 1 < 100
    assert buckets["20-99"]["rows"] == 1

    assert run_command(bundle_path, tmp_path / "pairs.csv") == 0
    _, heading, *lines = capsys.readouterr().out.splitlines()
    assert heading == f"RMSE {report['rmse']:.4f}; by ratings known of the user:"
    assert [line.split() for line in lines] == [
        ["0", f"{buckets['0']['rmse']:.4f}", "2", "rows"],
        ["20-99", f"{buckets['20-99']['rmse']:.4f}", "1", "rows"],
    ]


def test_command_cuts_the_history_at_one_day_when_told_as_of(
    bundle_path: Path, history: History, tmp_path: Path, predictor: Predictor
) -> None:
    """--as-of decides what is visible, a row's date what day it is predicted for."""
    user, movie = int(history.user_ids[5]), int(history.movie_ids[3])
    (tmp_path / "pairs.csv").write_text(
        f"user_id,movie_id,date\n{user},{movie},1999-01-01\n{user},{movie},2005-12-01\n"
    )
    assert run_command(bundle_path, tmp_path / "pairs.csv", "--as-of", format_day(DAY)) == 0
    expected = predict_alone(
        predictor, [(user, movie)] * 2, [DAY, DAY], [parse_day("1999-01-01"), parse_day("2005-12-01")]
    )
    assert read_stars(tmp_path / "predicted") == pytest.approx(expected, abs=1e-4)


def test_command_cuts_the_history_at_each_rows_day_when_rolling(
    bundle_path: Path, history: History, tmp_path: Path, predictor: Predictor
) -> None:
    """Each row sees what was known before its own date; a row may be a rating of the history itself."""
    user, movie = int(history.user_ids[5]), int(history.movie_ids[3])
    days = [parse_day("1998-12-01"), DAY, parse_day("2005-12-01")]
    rows = "".join(f"{user},{movie},{format_day(day)}\n" for day in days)
    (tmp_path / "pairs.csv").write_text("user_id,movie_id,date\n" + rows)
    assert run_command(bundle_path, tmp_path / "pairs.csv", "--rolling") == 0
    expected = predict_alone(predictor, [(user, movie)] * 3, list(days))
    assert read_stars(tmp_path / "predicted") == pytest.approx(expected, abs=1e-4)
    assert len(set(read_stars(tmp_path / "predicted"))) > 1


@pytest.mark.parametrize(("name", "ending"), [("probe.txt", ""), ("qualifying.txt", ",2005-12-01")])
def test_command_writes_a_submission_when_pairs_are_the_prizes(
    bundle_path: Path, history: History, tmp_path: Path, predictor: Predictor, name: str, ending: str
) -> None:
    """`movie:` lines above one prediction a line, in the file's order, ready for the Prize's own script."""
    first, second = history.movie_ids[[3, 1]].tolist()
    users = history.user_ids[[7, 2, 5]].tolist()
    (tmp_path / name).write_text(
        f"{first}:\n{users[0]}{ending}\n{users[1]}{ending}\n{second}:\n{users[2]}{ending}\n"
    )
    assert run_command(bundle_path, tmp_path / name) == 0
    lines = (tmp_path / "predicted").read_text().splitlines()
    assert [lines[0], lines[3]] == [f"{first}:", f"{second}:"]
    asked = [(users[0], first), (users[1], first), (users[2], second)]
    stars = [float(lines[place]) for place in (1, 2, 4)]
    days = [parse_day(ending.removeprefix(","))] * 3 if ending else None
    assert stars == pytest.approx(predict_alone(predictor, asked, [None] * 3, days), abs=1e-4)
    assert len(lines) == 5


def test_command_names_the_row_when_rolling_needs_a_date(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows without dates cannot roll, and a row whose date is left empty is named by file and line."""
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("user_id,movie_id\n7,8\n9,10\n")
    assert run_command(bundle_path, pairs, "--rolling") == 2
    assert (
        "--rolling needs the date of every row, and row 1 (user 7, movie 8) has none"
        in capsys.readouterr().err
    )
    pairs.write_text("user_id,movie_id,date\n7,8,2005-01-01\n9,10,\n")
    assert run_command(bundle_path, pairs, "--rolling") == 2
    assert "pairs.csv, line 3: '' is not a date" in capsys.readouterr().err
    assert list_folder(tmp_path) == ["pairs.csv"]


def test_command_ends_with_status_2_and_one_line_when_files_are_wrong(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle, pairs or output folder that is not there, and pairs that are none."""
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("user_id,movie_id\n7,8\n")
    poem = tmp_path / "poem.txt"
    poem.write_text("Shall I compare thee to a summer's day?\n")
    good = {"--bundle": bundle_path, "--pairs": pairs, "--output": tmp_path / "out"}
    for flag, value, message in (
        ("--bundle", tmp_path / "nowhere", "there is no bundle at"),
        ("--pairs", tmp_path / "nowhere", "nowhere"),
        ("--pairs", poem, "poem.txt, line 1:"),
        (
            "--output",
            tmp_path / "nowhere" / "out",
            "cannot be written; expected a file in a folder that exists",
        ),
        ("--output", tmp_path, "cannot be written; expected a file in a folder that exists"),
    ):
        flags = [str(part) for item in {**good, flag: value}.items() for part in item]
        assert main(flags) == 2
        error = capsys.readouterr().err
        assert error.startswith("python -m model.score: error: ")
        assert message in error
        assert error.count("\n") == 1
    assert list_folder(tmp_path) == ["pairs.csv", "poem.txt"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--as-of 2005-02-30", "'2005-02-30' is not a date of the calendar"),
        ("--as-of 2005-01-01 --rolling", "not allowed with argument"),
        ("--pairs-per-chunk 3", "unknown flag --pairs-per-chunk"),
    ],
)
def test_command_exits_with_status_2_when_a_flag_cannot_be_read(
    bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: str, message: str
) -> None:
    """The parser's own complaints are one line with status 2 as well."""
    with pytest.raises(SystemExit, match="2"):
        run_command(bundle_path, tmp_path / "pairs.csv", *flags.split())
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_command_runs_as_a_module_when_started_by_python(bundle_path: Path, tmp_path: Path) -> None:
    """`python -m model.score` ends with the command's status, quiet on standard error off a terminal."""
    (tmp_path / "pairs.csv").write_text("user_id,movie_id,rating\n7,8,3\n")
    flags = f"--bundle {bundle_path} --pairs {tmp_path / 'pairs.csv'} --output {tmp_path / 'out'}"
    ended = subprocess.run(
        [sys.executable, "-m", "model.score", *flags.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "1 predictions" in ended.stdout
