"""The report of whole runs: there with every run, right, and readable whatever was trained."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import pytest
from builders import Rated, make_ratings
from html_checks import Page, read_page
from tiny_run import change_training

from model.table import Movies, Origin, Ratings
from model.training.report.card import MADE_UP_TERMS, TERMS
from model.training.report.write import HTML, MARKDOWN
from model.training.run import HELD_OUT, train_run
from model.training.runs import METRICS


def read_report(run: Path) -> tuple[Page, str]:
    """The page, which must stand alone, and the Markdown."""
    return read_page((run / HTML).read_text(encoding="utf-8")), (run / MARKDOWN).read_text(encoding="utf-8")


def read_rows(markdown: str) -> dict[str, list[str]]:
    """The cells of every table row, by the first; of equal ones the first row."""
    rows: dict[str, list[str]] = {}
    for line in markdown.splitlines():
        if line.startswith("| "):
            first, *cells = line.strip("| ").replace("\\", "").split(" | ")
            rows.setdefault(first, cells)
    return rows


def train(ratings: Ratings, run: Path, **settings: object) -> tuple[Page, str]:
    """Train a tiny run and read its report."""
    train_run(ratings, change_training(**settings), run, say=lambda _line: None)
    return read_report(run)


def test_report_says_what_metrics_json_says_when_run_is_full(run_path: Path) -> None:
    """Every RMSE, overall and by history length, the coverage and the counts."""
    page, markdown = read_report(run_path)
    metrics = json.loads((run_path / METRICS).read_text(encoding="utf-8"))
    rows = read_rows(markdown)
    for name, value in metrics["rmse"].items():
        [cells] = [cells for first, cells in rows.items() if first.endswith(f"({name})")]
        assert cells[0] == f"{value:.4f}"
    for place, bucket in enumerate(metrics["rmse_by_history_length"]["full"]):
        if bucket["rows"]:
            values = [buckets[place]["rmse"] for buckets in metrics["rmse_by_history_length"].values()]
            assert rows[bucket["ratings_known"]] == [
                f"{bucket['rows']:,}",
                *(f"{value:.4f}" for value in values),
            ]
    assert rows["all"][:2] == [str(metrics["test_rows"]), f"{metrics['interval_coverage']:.1%}"]
    assert f"- **{metrics['train_rows']:,}** ratings trained on" in markdown
    assert f"{metrics['lowest_rmse']:.4f}" in markdown
    assert page.tags.count("figure") > page.tags.count("svg") > 20


def test_report_says_which_files_it_is_about_when_run_is_full(run_path: Path) -> None:
    """The fingerprint of the data, the SHA-256 of the weights, and what the data's terms are."""
    _, markdown = read_report(run_path)
    rows = read_rows(markdown)
    weights = hashlib.sha256((run_path / "network.ckpt").read_bytes()).hexdigest()
    metrics = json.loads((run_path / METRICS).read_text(encoding="utf-8"))
    assert rows["SHA-256 of network.ckpt"] == [weights]
    assert rows["data fingerprint"] == [metrics["data_fingerprint"]]
    assert rows["--epochs"] == ["2, changed"]
    assert rows["--patience"] == ["5"]
    assert MADE_UP_TERMS in markdown


def test_report_names_nobody_when_examples_are_shown(run_path: Path) -> None:
    """Users have ids of seven digits, larger than any count of so small a run; none is in the report."""
    held_out = (run_path / HELD_OUT).read_text(encoding="utf-8").splitlines()[1:]
    users = {line.split(",")[0] for line in held_out}
    assert min(map(len, users)) > 3
    page, markdown = (run_path / HTML).read_text(encoding="utf-8"), read_report(run_path)[1]
    said = set(re.findall(r"\d+", page + markdown))
    assert said.isdisjoint(users)


@pytest.mark.parametrize(
    ("split", "features"),
    [("none", "full"), ("none", "seed"), ("random", "seed"), ("period:2004-06-01", "full")],
)
def test_report_is_there_when_split_and_features_differ(
    tiny_ratings: Ratings, tmp_path: Path, split: str, features: str
) -> None:
    """Well-formed and about what was trained; without test rows it says so and shows what there is."""
    page, markdown = train(tiny_ratings, tmp_path / "run", split=split, features=features)
    sections = {"findings", "learning", "data", "card"}
    if split == "none":
        assert set(page.names) == sections
        assert "Nothing was held out" in markdown
        assert "RMSE by epoch" in markdown
    else:
        assert set(page.names) == sections | {"accuracy", "calibration", "importance", "examples"}
        assert ("(full)" in markdown) == (features == "full")
        assert ("user encoder" in read_rows(markdown)) == (features == "full")


def test_report_is_there_when_there_is_hardly_any_data(tmp_path: Path) -> None:
    """Two users, 24 ratings all the same and of one day, one movie each in the test rows."""
    ratings = make_ratings([Rated(user, movie, 4) for user in (1, 2) for movie in range(1, 13)])
    page, markdown = train(ratings, tmp_path / "run", features="seed")
    assert {"accuracy", "examples"} <= set(page.names)
    assert read_rows(markdown)["scale"] == ["1 to 5, steps of 1"]


def test_titles_are_text_when_they_look_like_markup(tiny_ratings: Ratings, tmp_path: Path) -> None:
    """In the page, in what a screen reader says and in Markdown."""
    movies = tiny_ratings.movies
    titles = ['<script>alert("1")</script>|*'] * len(movies)
    hostile = dataclasses.replace(tiny_ratings, movies=Movies(movies.movie_ids, titles, movies.release_years))
    page, markdown = train(hostile, tmp_path / "run", features="seed")
    assert "script" not in page.tags
    assert "&lt;script&gt;" in markdown
    assert "<" not in markdown


@pytest.mark.parametrize("origin", list(Origin))
def test_terms_are_those_of_the_data_when_it_is_recognised(
    tiny_ratings: Ratings, tmp_path: Path, origin: Origin
) -> None:
    """The Prize's, MovieLens' and those of neither."""
    ratings = dataclasses.replace(tiny_ratings, origin=origin)
    _, markdown = train(ratings, tmp_path / "run", features="seed", split="none")
    assert TERMS[origin] in markdown


def test_learning_curve_is_whole_when_run_is_finished(run_path: Path) -> None:
    """Two epochs of two networks, the run's own first."""
    _, markdown = read_report(run_path)
    curves = re.findall(r"### (.*): RMSE by epoch\n\n.*\n\n((?:\|.*\n)+)", markdown)
    assert [title for title, _ in curves] == ["The full model", "The five seed features"]
    for _, table in curves:
        assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == ["| 1", "| 2"]
