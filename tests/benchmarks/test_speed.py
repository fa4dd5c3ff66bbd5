"""The speed report: what is drawn, what is timed, and how it is laid out. Never how fast anything is."""

import json
from pathlib import Path

import numpy as np
import pytest
from builders import Rated, make_history, make_ratings

from benchmarks import costs, speed
from benchmarks.costs import (
    PEER,
    draw_pairs,
    measure_bulk,
    measure_cold_start,
    measure_neighbours,
    measure_serving,
)
from benchmarks.methods import METHODS, MethodEntry
from benchmarks.speed import build_tables, main
from model.bundle import Bundle, load_bundle
from model.ratings import write_sample_csv
from model.table import Ratings


@pytest.fixture(scope="module")
def bundle(bundle_path: Path) -> Bundle:
    """What a tiny run exported."""
    return load_bundle(bundle_path)


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything once or twice."""
    for name, number in (
        ("N_REQUESTS", 3), ("N_STARTS", 1), ("N_RECOMMENDATIONS", 2), ("N_SCORED", 50), ("WARM_UP", 1),
    ):  # fmt: skip
        monkeypatch.setattr(costs, name, number)


def test_draw_pairs_gives_unrated_pairs_and_the_same_again(bundle: Bundle) -> None:
    """A pair that the user has rated would be another question: its rating has to be hidden."""
    pairs, again = (draw_pairs(bundle.history, 40, seed=5) for _ in range(2))
    assert pairs.user_ids.tolist() == again.user_ids.tolist()
    history = bundle.history
    for user, movie in zip(pairs.user_ids, pairs.movie_ids, strict=True):
        [index] = history.find_users(np.array([user])).tolist()
        [asked] = history.find_movies(np.array([movie])).tolist()
        assert asked not in history.user_movies[history.user_rows(index)]


@pytest.mark.parametrize("n_users", [1, 3])
def test_command_ends_when_everybody_has_rated_everything(
    n_users: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to ask about: one line before anything is trained, also where there is one user."""
    rated = [Rated(user, movie, 3) for user in range(1, n_users + 1) for movie in (5, 6)]
    write_sample_csv(make_ratings(rated), tmp_path / "complete.csv")
    monkeypatch.setattr(speed, "measure_reading", pytest.fail)
    assert main(["--data", str(tmp_path / "complete.csv"), "--no-peer"]) == 2
    error = capsys.readouterr().err
    assert f"error: {n_users} users have rated nearly all of 2 movies: expected" in error
    assert error.count("\n") == 1


def test_draw_pairs_finds_the_one_that_is_left() -> None:
    """However few are unrated, each of them is found."""
    rated = [
        Rated(user, movie, 3) for user in range(1, 31) for movie in range(1, 31) if (user, movie) != (7, 9)
    ]
    pairs = draw_pairs(make_history(rated), 1, seed=5)
    assert (pairs.user_ids.tolist(), pairs.movie_ids.tolist()) == ([7], [9])


@pytest.mark.usefixtures("_few")
def test_serving_is_timed_beside_an_empty_route(bundle: Bundle) -> None:
    """Both ways in and what bounds them have a median and a 99th percentile; bulk work has a rate."""
    serving = measure_serving(bundle)
    assert list(serving) == ["empty", "constant", "network", "predict", "direct"]
    for figures in serving.values():
        assert 0 < figures["p50_ms"] <= figures["p99_ms"]
        assert figures["alone_p50_ms"] > 0
    bulk = measure_bulk(bundle)
    assert bulk["scored_pairs_per_s"] > 0
    assert 0 < bulk["recommend_p50_ms"] <= bulk["recommend_p99_ms"]


@pytest.mark.slow
@pytest.mark.usefixtures("_few")
def test_cold_start_is_an_answer_in_a_fresh_process(bundle: Bundle) -> None:
    """It takes what the bare imports take, and more."""
    cold = measure_cold_start(bundle)
    assert 0 < cold["bare"] < cold["cold"]


def test_neighbours_are_of_all_rows(tiny_ratings: Ratings) -> None:
    """Each rating is a row, with its own rating hidden."""
    report = measure_neighbours(tiny_ratings, with_peer=False)
    assert report["rows"] == 1_200
    assert report["rows_per_s"] > 0


def test_tables_put_ratios_first_when_everything_is_measured() -> None:
    """3 ms over 1.5 is 2, over 1.2 2.5; 0.9 s over 0.6 is 1.5; 20 rows/s over 4 is 5; 3 s over 0.1 is 30."""
    moments = {"p50_ms": 1.5, "p99_ms": 2.0, "alone_p50_ms": 1.2}
    report = {
        "data": "tiny",
        "ratings": 1_200,
        "serving": {
            **dict.fromkeys(("empty", "constant", "network", "direct"), moments),
            "predict": {"p50_ms": 3.0, "p99_ms": 9.0, "alone_p50_ms": 3.0},
        },
        "cold_start": {"bare": 0.6, "cold": 0.9},
        "bulk": {"scored_pairs_per_s": 1e4, "recommend_p50_ms": 5.0, "recommend_p99_ms": 6.0},
        "neighbours": {"rows_per_s": 20.0, "peer_rows_per_s": 4.0},
        "reading": {
            "ratings": 1_200, "read_s": 3.0, "index_s": 1.0, "raw_s": 0.1, "keep_s": 0.5, "open_s": 0.25,
            "check_s": 0.75, "peak_mb": 99.0,
        },
        "sizes": [],
    }  # fmt: skip
    ratios, figures = build_tables(report)
    assert [row[1] for row in ratios.rows] == ["2.00", "2.50", "1.50", "5.0", "30.0"]
    assert ["warm prediction, HTTP event, p99", "9.00 ms"] in figures.rows
    assert ["reading and indexing", "300 ratings/s"] in figures.rows
    assert ["opening the arrays", "0.250 s"] in figures.rows


def test_command_writes_the_report_when_sizes_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Curves alone need neither data nor bundle."""
    assert main(["--sizes", "2e4", "--json", str(tmp_path / "speed.json")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("made-up data, cost against size")
    assert json.loads((tmp_path / "speed.json").read_text())["sizes"][0]["ratings"] == 20_000


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ("many", "expected sizes by commas"),
        ("inf", "expected sizes by commas"),
        ("-5", "-5 ratings: expected 2,000 to"),
        ("1e5,10", "10 ratings: expected 2,000 to"),
        ("1e12", "1000000000000 ratings: expected 2,000 to"),
    ],
)
def test_command_says_what_it_accepts_when_a_size_is_none(
    sizes: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line and status 2, before anything is measured."""
    with pytest.raises(SystemExit, match="2"):
        main([f"--sizes={sizes}"])
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "nothing to measure: expected --data, --bundle or --sizes"),
        (["--plot", "x.png"], "nothing to measure"),
        (["--bundle", "b", "--plot", "x.png"], "expected --sizes"),
        (["--sizes", "2e4", "--plot", "x.foo"], "x.foo cannot be drawn"),
        (["--sizes", "2e4", "--json", "no/such/folder.json"], "cannot be written"),
    ],
)
def test_command_refuses_at_once_when_flags_make_no_sense(
    flags: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before minutes of measuring, not after."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(speed, "measure_size", pytest.fail)
    assert main(flags) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_command_refuses_at_once_when_the_peer_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the data is read; the message says how to get it."""
    monkeypatch.setitem(METHODS, PEER, MethodEntry("a peer", "benchmarks.surprise_peers", "no_such_package"))
    assert main(["--data", str(tmp_path / "missing.csv")]) == 2
    assert "install the extra benchmarks" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "missing.csv"), "--no-peer"]) == 2
    assert "missing.csv" in capsys.readouterr().err
