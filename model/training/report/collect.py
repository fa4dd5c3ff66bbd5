"""From a finished run to the facts of its report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.config import RunConfig
from model.history import History
from model.table import Ratings
from model.training.checkpoint import TrainedNetwork
from model.training.curve import Epoch
from model.training.evaluation import Measured
from model.training.report.accuracy import Accuracy, group_rows, measure_accuracy
from model.training.report.calibration import Calibration, calibrate
from model.training.report.card import (
    MADE_UP_TERMS,
    TERMS,
    Card,
    describe_environment,
    find_changes,
    tell_time,
)
from model.training.report.examples import Examples, choose_examples
from model.training.report.importance import Importance, measure_importance
from model.training.report.summary import DataSummary, summarise


@dataclass(frozen=True, slots=True, eq=False)
class FinishedRun:
    """What a run leaves for its report."""

    ratings: Ratings
    """All that were given."""
    history: History
    """The index of the training ratings."""
    trained: TrainedNetwork
    """The run's own network."""
    curves: Mapping[str, list[Epoch]]
    """The learning curve of each network's heads, by the name of its line."""
    measured: Measured | None
    """None where nothing is held out."""
    metrics: Mapping[str, Any]
    """As in metrics.json."""
    weights_sha256: str
    """Of the file that holds the network."""
    is_made_up: bool
    """Whether the ratings are this project's own."""


@dataclass(frozen=True, slots=True)
class TestFacts:
    """What the test rows say of the network."""

    __test__ = False  # no test case, whatever pytest makes of the name

    n_rows: int
    new_users: int
    """Rows of users without training ratings."""
    unrated_movies: int
    """Rows of movies without training ratings."""
    lowest_rmse: float | None
    """The lowest that could be expected, stars; known of made-up ratings alone."""
    accuracy: Accuracy
    calibration: Calibration
    importance: Importance
    examples: Examples


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a report says."""

    own: str
    """The name of the run's own line, which is also its feature set."""
    summary: DataSummary
    curves: Mapping[str, list[Epoch]]
    test: TestFacts | None
    """None where nothing is held out."""
    card: Card


def collect_facts(run: FinishedRun) -> Facts:
    """Compute the facts of a run's report.

    Args:
        run: what the run leaves.
    """
    config = run.trained.config
    return Facts(
        own=config.training.features,
        summary=summarise(run.history),
        curves=run.curves,
        test=None if run.measured is None else _collect_test(run, run.measured),
        card=_fill_card(run, config),
    )


def _collect_test(run: FinishedRun, measured: Measured) -> TestFacts:
    own, evaluation, stars = run.trained.config.training.features, measured.evaluation, measured.test.stars
    lengths = evaluation.history_lengths
    return TestFacts(
        n_rows=len(stars),
        new_users=run.metrics["new_users"],
        unrated_movies=run.metrics["unrated_movies"],
        lowest_rmse=run.metrics.get("lowest_rmse"),
        accuracy=measure_accuracy(
            measured.lines,
            stars,
            own=own,
            users=evaluation.queries.groups,
            groups=group_rows(run.history, evaluation.queries, stars, lengths),
        ),
        calibration=calibrate(evaluation.predicted[own], stars, lengths),
        importance=measure_importance(
            run.trained, evaluation.rows[own], seed=run.trained.config.training.seed
        ),
        examples=choose_examples(
            run.history,
            run.ratings.movies,
            measured.test,
            evaluation,
            own=own,
            biases=measured.lines["biases"],
        ),
    )


def _fill_card(run: FinishedRun, config: RunConfig) -> Card:
    network = run.trained.network
    return Card(
        created=tell_time(),
        origin="made up" if run.is_made_up else run.ratings.origin.value,
        terms=MADE_UP_TERMS if run.is_made_up else TERMS[run.ratings.origin],
        n_duplicates=run.ratings.n_duplicates,
        split=run.metrics["split"],
        held_out_rows=run.metrics["held_out_rows"],
        test_rows=run.metrics["test_rows"],
        training_seconds=run.metrics["training_seconds"],
        features=config.training.features,
        n_weights=sum(parameter.numel() for parameter in network.parameters()),
        settings=config.to_json(),
        changed=find_changes(config),
        environment=describe_environment(),
        data_fingerprint=run.metrics["data_fingerprint"],
        weights_sha256=run.weights_sha256,
    )
