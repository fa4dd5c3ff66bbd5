"""The comparison of methods: same rows, hidden stars, honest figures."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from builders import Rated, make_ratings
from numpy.typing import NDArray
from tiny_run import change_training

from benchmarks import accuracy
from benchmarks.accuracy import build_tables, count_training_ratings, main, summarise
from benchmarks.measurement import Measurement, hide_stars, measure, measure_apart, measure_method
from benchmarks.methods import (
    METHODS,
    MethodEntry,
    RatingMethod,
    build_method,
    choose_methods,
    require_packages,
)
from benchmarks.ours import BundledModel
from benchmarks.tables import Table, format_markdown, format_text
from model.errors import ConfigError, DataError, RatingModelError
from model.history import build_history
from model.metrics import rmse
from model.ratings import read_ratings, write_sample_csv
from model.splits import Split, apply_split, parse_split
from model.table import Ratings
from model.training.baselines import predict_baselines
from model.training.network import RatingNetwork

PEER_PACKAGES = {
    "surprise": ("knn_user", "knn_item_baseline", "svd", "svdpp"),
    "sklearn": ("forest", "boosted"),
}


class Parrot(RatingMethod):
    """Answers what it is told to, and keeps what it is asked."""

    def __init__(self, answers: list[float]) -> None:
        self.answers = answers
        self.asked: Ratings

    def fit(self, train: Ratings) -> None:
        self.n_train = len(train)

    def predict(self, asked: Ratings) -> NDArray[np.floating]:
        self.asked = asked
        return np.array(self.answers)


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


@pytest.fixture(scope="module")
def split(tiny_ratings: Ratings) -> Split:
    """The made-up ratings, the latest tenth held out."""
    return apply_split(tiny_ratings, parse_split("latest"), seed=1)


@pytest.fixture(scope="module")
def data_path(tiny_ratings: Ratings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up ratings as a file."""
    path = tmp_path_factory.mktemp("data") / "tiny.csv"
    write_sample_csv(tiny_ratings, path)
    return path


def make_measurement(predicted: list[float], *, seconds: float = 1.0, memory: float = 1.0) -> Measurement:
    return Measurement(np.array(predicted), seconds, seconds, seconds, memory)


def pick_constant(name: str, *, seed: int, train: Ratings, test: Ratings) -> Measurement:
    """Stands in for a process of its own."""
    return make_measurement([3.0 + seed / 10] * len(test))


def test_choose_methods_gives_all_in_order_when_none_is_named() -> None:
    """The default is every method."""
    assert choose_methods(None) == list(METHODS)


def test_choose_methods_keeps_the_tables_order_when_named() -> None:
    """The order of the tables does not depend on the order of the flag; a name given twice counts once."""
    assert choose_methods("full, constant,full") == ["constant", "full"]


@pytest.mark.parametrize(("text", "said"), [("biases,svdqq", "'svdqq'"), (" ,", "no peer")])
def test_choose_methods_names_the_accepted_ones_when_wrong(text: str, said: str) -> None:
    """An unknown name and none at all are errors that list what would do."""
    with pytest.raises(ConfigError, match=said) as caught:
        choose_methods(text)
    assert all(name in str(caught.value) for name in METHODS)


def test_require_packages_names_the_extra_when_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that is not installed is an error, never skipped."""
    monkeypatch.setitem(METHODS, "svd", MethodEntry("SVD", "benchmarks.surprise_peers", "no_such_package"))
    require_packages(["biases", "full"])
    with pytest.raises(ConfigError, match=r"svd needs the package no_such_package.*extra benchmarks"):
        require_packages(["biases", "svd"])


def test_build_method_names_the_extra_when_its_module_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is there and does not import is the user's to mend."""
    monkeypatch.setitem(METHODS, "svd", MethodEntry("SVD", "benchmarks.no_such_module"))
    with pytest.raises(ConfigError, match=r"svd cannot be imported .*extra benchmarks"):
        build_method("svd", seed=1)


def test_measure_method_shows_no_star_of_the_test_when_it_asks(split: Split) -> None:
    """A method gets the test pairs and days, and NaN for their ratings."""
    parrot = Parrot([3.0] * len(split.test))
    measured = measure_method(parrot, train=split.train, asked=hide_stars(split.test))
    assert parrot.n_train == len(split.train)
    assert np.isnan(parrot.asked.stars).all()
    assert parrot.asked.user_ids.tolist() == split.test.user_ids.tolist()
    assert min(measured.fit_seconds, measured.deploy_seconds, measured.score_seconds) >= 0
    assert measured.peak_memory_mb > 10  # Python and NumPy alone take more


def test_measure_method_clips_when_off_the_scale() -> None:
    """Every method's predictions are brought within the scale."""
    rows = make_ratings([Rated(1, 1, 3), Rated(1, 2, 4), Rated(2, 1, 5)])
    measured = measure_method(Parrot([-1.0, 3.3, 9.0]), train=rows, asked=hide_stars(rows))
    assert measured.predicted.tolist() == [1.0, 3.3, 5.0]


@pytest.mark.parametrize("answers", [[3.0], [3.0, float("nan")]])
def test_measure_method_refuses_when_a_prediction_is_missing(answers: list[float]) -> None:
    """Too few predictions or NaN cannot be scored."""
    rows = make_ratings([Rated(1, 1, 3), Rated(1, 2, 4)])
    with pytest.raises(DataError, match="expected 2 finite numbers"):
        measure_method(Parrot(answers), train=rows, asked=hide_stars(rows))


def test_measure_apart_says_so_when_its_process_is_ended(split: Split) -> None:
    """A process that the system ends is one clear error."""
    with pytest.raises(RatingModelError, match="was ended"):
        measure_apart(cast("str", Deadly()), seed=1, train=split.train, test=split.test)


def test_count_training_ratings_counts_both_sides_when_some_are_unknown() -> None:
    """Counts are those of the training rows; an unknown user or movie has 0."""
    train = make_ratings([Rated(1, 1, 3), Rated(1, 2, 4), Rated(2, 1, 5)], years={3: 1990})
    test = make_ratings([Rated(1, 3, 3), Rated(9, 1, 3), Rated(2, 8, 3)])
    lengths, popularities = count_training_ratings(build_history(train), test)
    assert lengths.tolist() == [2, 0, 1]
    assert popularities.tolist() == [0, 2, 0]


def test_summarise_averages_fits_when_there_are_two() -> None:
    """Mean and sample deviation of the RMSE over seeds; buckets are means too, and empty ones None."""
    test = make_ratings([Rated(1, 1, 3), Rated(1, 2, 3), Rated(2, 1, 3)])
    fits = [
        make_measurement([4, 4, 4], seconds=1, memory=10),  # off by 1 everywhere
        make_measurement([3, 3, 6], seconds=3, memory=30),  # off by 3 once: RMSE sqrt(3), MAE 1
    ]
    line = summarise(fits, test, np.array([2, 2, 0]), np.array([7, 7, 7]))
    assert line["rmse_of_each"] == pytest.approx([1, 3**0.5])
    assert line["rmse"] == pytest.approx((1 + 3**0.5) / 2)
    assert line["rmse_standard_deviation"] == pytest.approx((3**0.5 - 1) / 2**0.5)
    assert line["mae"] == pytest.approx(1)
    assert (line["fit_seconds"], line["peak_memory_mb"], line["fits"]) == (2, 30, 2)
    by_length = {bucket["ratings_known"]: bucket for bucket in line["rmse_by_history_length"]}
    assert by_length["0"] == {"ratings_known": "0", "rows": 1, "rmse": 2.0}  # 1 and 3
    assert by_length["1-4"] == {"ratings_known": "1-4", "rows": 2, "rmse": 0.5}  # 1 and 0
    assert by_length["100+"] == {"ratings_known": "100+", "rows": 0, "rmse": None}
    assert [bucket["rows"] for bucket in line["rmse_by_movie_popularity"]] == [0, 0, 3, 0, 0]


def test_summarise_has_no_deviation_when_there_is_one_fit() -> None:
    """One fit says nothing about the spread."""
    test = make_ratings([Rated(1, 1, 3)])
    line = summarise([make_measurement([4])], test, np.array([1]), np.array([1]))
    assert (line["rmse"], line["rmse_standard_deviation"]) == (1.0, None)


def test_format_lines_columns_up_when_widths_differ() -> None:
    """The first column is aligned left, the others right."""
    table = Table("A title", ["method", "RMSE"], [["a", "0.9"], ["longer", "10.25"]])
    assert format_text([table]) == "A title\nmethod   RMSE\na         0.9\nlonger  10.25"
    assert format_markdown([table]) == (
        "**A title**\n\n| method | RMSE |\n| --- | ---: |\n| a | 0.9 |\n| longer | 10.25 |\n"
    )


def test_main_scores_baselines_in_processes_of_their_own_when_asked(
    data_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figures are those of the baselines on the split's test rows, in all three forms."""
    json_path, markdown_path = tmp_path / "a.json", tmp_path / "a.md"
    flags = ["--data", str(data_path), "--split", "latest", "--peers", "biases,constant"]
    assert main([*flags, "--json", str(json_path), "--markdown", str(markdown_path)]) == 0
    split = apply_split(read_ratings(data_path), parse_split("latest"), seed=1)
    expected = predict_baselines(build_history(split.train), split.test)
    report = json.loads(json_path.read_text())
    assert list(report["methods"]) == ["constant", "biases"]
    for name, line in report["methods"].items():
        assert line["rmse"] == pytest.approx(rmse(expected[name], split.test.stars))
        assert line["fits"] == 1
        assert sum(bucket["rows"] for bucket in line["rmse_by_movie_popularity"]) == len(split.test)
    assert (report["data"], report["test_rows"]) == ("tiny.csv", len(split.test))
    assert report["versions"]["numpy"] == np.__version__
    figure = f"{report['methods']['biases']['rmse']:.4f}"
    assert f"| user and movie biases | 1 | {figure} | - |" in markdown_path.read_text()
    assert figure in capsys.readouterr().out


def test_main_compares_the_same_rows_when_seeds_differ(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random split is drawn once for all fits, and `--peer-seeds` says how often peers are fitted."""
    fits: list[tuple[str, int, bytes]] = []

    def record(name: str, *, seed: int, train: Ratings, test: Ratings) -> Measurement:
        rows = test.user_ids.tobytes() + test.movie_ids.tobytes()
        fits.append((name, seed, rows))
        return pick_constant(name, seed=seed, train=train, test=test)

    monkeypatch.setattr(accuracy, "measure_apart", record)
    monkeypatch.setattr(accuracy, "require_packages", lambda _names: None)
    flags = ["--data", str(data_path), "--split", "random", "--peers", "constant,svd,full"]
    assert main([*flags, "--seeds", "3", "--peer-seeds", "2", "--json", str(tmp_path / "a.json")]) == 0
    assert [(name, seed) for name, seed, _ in fits] == [
        ("constant", 1), ("svd", 1), ("svd", 2), ("full", 1), ("full", 2), ("full", 3),
    ]  # fmt: skip
    assert len({rows for _, _, rows in fits}) == 1
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["methods"]["full"]["rmse_standard_deviation"] is not None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--peers", "nothing"], "expected some of constant"),
        (["--split", "none", "--peers", "biases"], "leaves no test rows"),
        (["--peers", "biases", "--json", "no/such/folder.json"], "cannot be written"),
        (["--peers", "biases", "--split", "yesterday"], "expected latest"),
    ],
)
def test_main_ends_in_one_line_when_a_flag_is_wrong(
    data_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    """The user's mistakes are exit status 2 and one line that says what would do."""
    assert main(["--data", str(data_path), *flags]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_main_refuses_when_there_are_no_fits(capsys: pytest.CaptureFixture[str]) -> None:
    """Averages need at least one fit."""
    with pytest.raises(SystemExit) as caught:
        main(["--data", "x", "--seeds", "0"])
    assert caught.value.code == 2
    assert "expected 1 or more" in capsys.readouterr().err


def test_build_tables_shows_export_time_of_ours_alone_when_laid_out(split: Split) -> None:
    """Peers have nothing to export; that is a dash, not a zero."""
    lengths = np.ones(len(split.test), dtype=np.int64)
    line = summarise([make_measurement([3.0] * len(split.test))], split.test, lengths, lengths)
    report = {
        "data": "tiny", "split": "latest", "train_rows": 9, "test_rows": 1, "cpu_count": 2,
        "lowest_rmse": None, "methods": {"biases": line, "full": line},
    }  # fmt: skip
    overall = build_tables(report)[0]
    place = list(overall.heads).index("export s")
    assert [row[place] for row in overall.rows] == ["-", "1.0"]


def test_bundled_model_scores_through_the_bundle_when_torch_is_broken(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once exported, our predictions need no torch and differ from row to row."""
    model = BundledModel(change_training(split="none"))
    model.fit(split.train)
    model.deploy()

    def refuse(*_arguments: object, **_named: object) -> None:
        raise AssertionError("torch was asked")

    monkeypatch.setattr(RatingNetwork, "forward", refuse)
    predicted = model.predict(hide_stars(split.test))
    assert predicted.shape == (len(split.test),)
    assert len(np.unique(predicted)) > len(split.test) / 2
    assert model.bundle.history.n_ratings == len(split.train)


@pytest.mark.parametrize("name", [name for names in PEER_PACKAGES.values() for name in names])
def test_peer_beats_a_wild_guess_when_installed(split: Split, name: str) -> None:
    """Each packaged peer fits and beats a wild guess, the lowest rating for everything."""
    package = next(package for package, names in PEER_PACKAGES.items() if name in names)
    pytest.importorskip(package)
    measured = measure(name, seed=1, train=split.train, asked=hide_stars(split.test))
    assert rmse(measured.predicted, split.test.stars) < rmse(np.ones(len(split.test)), split.test.stars)
    assert len(np.unique(measured.predicted)) > 1


@pytest.mark.parametrize("name", ["myfm", "myfm_flipped"])
def test_factorisation_machine_learns_and_takes_strangers_when_installed(
    split: Split, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It beats the constant on made-up data; unknown users and movies get a prediction too."""
    factorisation = pytest.importorskip("benchmarks.factorisation")
    monkeypatch.setitem(factorisation.N_ROUNDS, name, 60)
    strange = dataclasses.replace(
        split.test, user_ids=np.append(split.test.user_ids[:-2], [-5, -6]),
        movie_ids=np.append(split.test.movie_ids[:-1], [-7]),
    )  # fmt: skip
    measured = measure(name, seed=1, train=split.train, asked=hide_stars(strange))
    constant = np.full(len(strange), split.train.stars.mean())
    assert rmse(measured.predicted[:-2], strange.stars[:-2]) < rmse(constant[:-2], strange.stars[:-2])


def test_share_equally_weighs_each_by_the_root_when_counts_differ() -> None:
    """n things weigh 1/√n each, nothing rated is an empty row, and one more row stands for the unknown."""
    factorisation = pytest.importorskip("benchmarks.factorisation")
    offsets, columns = np.array([0, 4, 4, 5]), np.array([0, 1, 2, 3, 1], dtype=np.int32)
    block = factorisation._share_equally(offsets, columns, 4).toarray()
    assert block.tolist() == [[0.5] * 4, [0] * 4, [0, 1, 0, 0], [0] * 4]


@pytest.mark.realdata
def test_measure_gives_the_published_figures_when_reading_movielens(real_data: Path) -> None:
    """The test rows are those of the published comparison: constant 1.0740, biases 0.8958."""
    split = apply_split(read_ratings(real_data / "movielens-small"), parse_split("latest"), seed=1)
    for name, expected in {"constant": 1.0740, "biases": 0.8958}.items():
        measured = measure(name, seed=1, train=split.train, asked=hide_stars(split.test))
        assert rmse(measured.predicted, split.test.stars) == pytest.approx(expected, abs=5e-5)
