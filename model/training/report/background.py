"""The sections about the run itself: learning curves and data."""

from collections.abc import Mapping, Sequence

from model.dates import format_day
from model.training.curve import Epoch
from model.training.evaluation import LINES
from model.training.module import TRAINING_RMSE, VALIDATION_RMSE
from model.training.report.charts import Series, draw_bars, draw_lines
from model.training.report.document import Figure, Gallery, Paragraph, Section, Table
from model.training.report.summary import Bar, CountSpread, DataSummary

MOST_EPOCHS_LABELLED = 10

ABOUT_LEARNING = (
    "Lightning trains the heads on rows held out from everything that they see, and keeps the epoch with "
    "the lowest RMSE on the rows of validation users, who train nothing else. The training RMSE is the "
    "mean over heads, each alone and still changing; the validation RMSE is that of their average, and of "
    "other users: either may be the lower one."
)


def write_learning(curves: Mapping[str, list[Epoch]], own: str) -> Section:
    """What Lightning logged, epoch by epoch; the run's own network first."""
    names = sorted(curves, key=lambda name: name != own)
    figures = tuple(draw_curve(name, curves[name]) for name in names)
    return Section("learning", "How it learned", (Paragraph(ABOUT_LEARNING), Gallery(figures)))


def find_best_epoch(epochs: Sequence[Epoch]) -> int:
    """The number of the epoch that was kept, from 1."""
    return 1 + min(range(len(epochs)), key=lambda place: epochs[place][VALIDATION_RMSE])


def draw_curve(name: str, epochs: Sequence[Epoch]) -> Figure:
    """The learning curve of one network.

    Args:
        name: of its line.
        epochs: one or more.
    """
    best = find_best_epoch(epochs)
    numbered = list(enumerate(epochs, start=1))
    series = [
        Series(
            label,
            label,
            tuple((number, epoch[key]) for number, epoch in numbered),
            tuple(f"{label}, epoch {number}: {epoch[key]:.4f}" for number, epoch in numbered),
        )
        for label, key in (("training", TRAINING_RMSE), ("validation", VALIDATION_RMSE))
    ]
    every = -(-len(epochs) // MOST_EPOCHS_LABELLED)
    # the last one is an end of the axis, so the one before it may be too near
    shown = [*range(1, len(epochs) - every // 2, every), len(epochs)]
    return Figure(
        f"{_capitalise(LINES[name])}: RMSE by epoch",
        draw_lines(
            series,
            labels=[(number, str(number)) for number in shown],
            words=f"Training and validation RMSE of {LINES[name]}; best of {len(epochs)} epochs: {best}",
            axis="epoch",
        ),
        f"Epoch {best} of {len(epochs)} was kept: validation RMSE {epochs[best - 1][VALIDATION_RMSE]:.4f}.",
        Table(
            head=("epoch", "training RMSE", "validation RMSE"),
            rows=tuple(
                (str(number), f"{epoch[TRAINING_RMSE]:.4f}", f"{epoch[VALIDATION_RMSE]:.4f}")
                for number, epoch in numbered
            ),
            marked=best - 1,
        ),
    )


def write_data(summary: DataSummary) -> Section:
    """The training ratings, counted."""
    facts = Table(
        head=("", ""),
        rows=(
            ("ratings", f"{summary.n_ratings:,}"),
            ("users", f"{summary.n_users:,}"),
            ("movies with ratings", f"{summary.n_movies:,} of {summary.n_catalogue:,} in the catalogue"),
            ("rated pairs", f"{summary.density:.3%} of all pairs of a user and a rated movie"),
            ("days", f"{format_day(summary.first_day)} to {format_day(summary.last_day)}"),
            ("scale", f"{summary.scale.low:g} to {summary.scale.high:g}, steps of {summary.scale.step:g}"),
            ("mean rating", f"{summary.mean:.3f}, standard deviation {summary.deviation:.3f} stars"),
        ),
        caption="Training ratings",
        is_numeric=False,
    )
    period = "year" if len(summary.time[0].label) == len("2005") else "month"
    figures = (
        _draw_counts("Ratings given", summary.ratings, axis="stars", unit="ratings"),
        _draw_counts("Ratings over time", summary.time, axis=period, unit="ratings"),
        _draw_counts("Ratings by era of the movie", summary.eras, axis="release year", unit="ratings"),
        _draw_spread("History lengths", summary.users, axis="ratings of the user", unit="users"),
        _draw_spread("Popularity", summary.movies, axis="ratings of the movie", unit="movies"),
    )
    return Section("data", "What it learned from", (Gallery((facts, *figures)),))


def _draw_spread(title: str, spread: CountSpread, *, axis: str, unit: str) -> Figure:
    low, middle, high = spread.quantiles
    return _draw_counts(
        title,
        spread.bars,
        axis=axis,
        unit=unit,
        note=(
            f"Bars are labelled by where they begin. Half of the {unit} have {middle:,.0f} ratings or "
            f"fewer, eight in ten between {low:,.0f} and {high:,.0f}, the most {spread.largest:,}. The "
            f"tenth with most ratings has {spread.top_share:.0%} of all."
        ),
        labels=[bar.label.partition("-")[0] for bar in spread.bars],
    )


def _draw_counts(
    title: str,
    bars: Sequence[Bar],
    *,
    axis: str,
    unit: str,
    note: str = "",
    labels: Sequence[str] | None = None,
) -> Figure:
    return Figure(
        title,
        draw_bars(
            labels or [bar.label for bar in bars],
            [bar.count for bar in bars],
            words=f"{title}: number of {unit} by {axis}",
            axis=axis,
        ),
        note,
        Table(head=(axis, unit), rows=tuple((bar.label, f"{bar.count:,}") for bar in bars)),
    )


def _capitalise(words: str) -> str:
    return words[:1].upper() + words[1:]
