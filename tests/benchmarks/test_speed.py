"""The speed report: what is drawn, what is timed, and how it is laid out. Never how fast anything is."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import costs
from benchmarks.costs import (
    draw_pairs,
    measure_bulk,
    measure_cold_start,
    measure_neighbours,
    measure_reading,
    measure_serving,
    measure_size,
)
from benchmarks.speed import build_tables, draw_plot, main
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


def test_reading_counts_what_is_in_the_file(tiny_ratings: Ratings, tmp_path: Path) -> None:
    """Rows, bytes, and the memory of a process that imports and reads."""
    path = tmp_path / "ratings.csv"
    write_sample_csv(tiny_ratings, path)
    report = measure_reading(path)
    assert (report["ratings"], report["bytes"]) == (1_200, path.stat().st_size)
    assert min(report["read_s"], report["index_s"], report["raw_s"]) > 0
    assert 20 < report["peak_mb"] < 2_000


def test_neighbours_are_of_all_rows(tiny_ratings: Ratings) -> None:
    """Each rating is a row, with its own rating hidden."""
    report = measure_neighbours(tiny_ratings, with_peer=False)
    assert report["rows"] == 1_200
    assert report["rows_per_s"] > 0


def test_size_is_made_up_and_measured(tmp_path: Path) -> None:
    """The made-up data is kept where it was asked to be."""
    report = measure_size(20_000, tmp_path)
    assert report["ratings"] == 20_000
    assert report["neighbours_ms_a_user"] > 0
    assert 0 < report["prediction_p50_ms"] <= report["prediction_p99_ms"]
    assert (tmp_path / "made-up-20000" / "combined_data_1.txt").is_file()


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
        "reading": {"ratings": 1_200, "read_s": 3.0, "index_s": 1.0, "raw_s": 0.1},
        "sizes": [
            {
                "ratings": 1e5,
                "read_s": 1.0,
                "index_s": 0.5,
                "peak_mb": 99.0,
                "neighbours_ms_a_user": 0.25,
                "prediction_p50_ms": 0.75,
                "prediction_p99_ms": 1.75,
            }
        ],
    }
    ratios, figures, curves = build_tables(report)
    assert [row[1] for row in ratios.rows] == ["2.00", "2.50", "1.50", "5.0", "30.0"]
    assert ["warm prediction, HTTP event, p99", "9.00 ms"] in figures.rows
    assert ["reading and indexing", "300 ratings/s"] in figures.rows
    assert curves.rows == [["100,000", "1.00", "0.50", "99", "0.25", "0.75", "1.75"]]


def test_plot_is_drawn_when_curves_are_measured(tmp_path: Path) -> None:
    """A picture of every cost."""
    pytest.importorskip("matplotlib")
    line = {
        "read_s": 1.0, "index_s": 0.5, "peak_mb": 99.0, "neighbours_ms_a_user": 0.25,
        "prediction_p50_ms": 0.75,
    }  # fmt: skip
    draw_plot([{"ratings": 1e5, **line}, {"ratings": 1e6, **line}], tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert text.count("<path") > 8


def test_command_writes_the_report_when_sizes_are_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Curves alone need neither data nor bundle; a plot without curves is refused in one line."""
    assert main(["--sizes", "2e4", "--json", str(tmp_path / "speed.json")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("made-up data, cost against size")
    assert json.loads((tmp_path / "speed.json").read_text())["sizes"][0]["ratings"] == 20_000
    assert main(["--plot", str(tmp_path / "x.png")]) == 2
    assert "expected --sizes" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--sizes", "many"])
