"""The sections about the test rows: accuracy, calibration, importance."""

from collections.abc import Sequence
from itertools import starmap

from model.training.evaluation import LINES
from model.training.heads import COVERAGE
from model.training.report.accuracy import Breakdown
from model.training.report.calibration import Calibration
from model.training.report.charts import Row, Series, draw_bars, draw_dots, draw_lines
from model.training.report.collect import TestFacts
from model.training.report.document import Figure, Gallery, Paragraph, Section, Table
from model.training.report.importance import N_SHUFFLES, Importance

LABELS = {
    "constant": "constant",
    "movie_mean": "movie mean",
    "biases": "biases",
    "seed": "seed",
    "full": "full",
}
"""Short names of the lines, for legends."""
FEWEST_DRAWN = 20
"""Groups of fewer rows are in the table and not in the drawing, whose scale they would decide by chance."""

ABOUT_RARE_RATINGS = (
    "Every line predicts near the middle, so that rare ratings cost most: this shows where the error sits, "
    "not who is better."
)
ABOUT_IMPORTANCE = (
    "A group's values are dealt out to other test rows and the predictions made again; the more the RMSE "
    "rises, the more the network leans on them. Groups that say nearly the same stand in for each other, "
    "so that each seems worth less than it is. The user encoder, where there is one, knows all ratings of "
    "the user: what the neighbours say is news only beyond that."
)


def write_accuracy(test: TestFacts, own: str) -> Section:
    """The RMSE beside the baselines, and where it comes from."""
    accuracy = test.accuracy
    table = Table(
        head=("line", "RMSE", "± (95 %)", "MAE"),
        rows=tuple(
            (
                f"{LINES[line.name]} ({line.name})",
                f"{line.rmse:.4f}",
                "-" if line.margin is None else f"{line.margin:.4f}",
                f"{line.mae:.4f}",
            )
            for line in accuracy.lines
        ),
        caption=f"Errors on {test.n_rows:,} test rows, stars; lower is better.",
        marked=[line.name for line in accuracy.lines].index(own),
    )
    divided = (
        ("By ratings known of the user", "ratings known", accuracy.by_history, ""),
        ("By ratings of the movie", "training ratings of the movie", accuracy.by_popularity, ""),
        ("By era of the movie", "release year", accuracy.by_era, ""),
        ("By the rating given", "actual rating", accuracy.by_rating, ABOUT_RARE_RATINGS),
        ("By the day it was given", "from this day on", accuracy.by_day, "Equally many rows each."),
    )
    return Section(
        "accuracy",
        "How far off it is",
        (table, Gallery((_draw_lines(test), *starmap(_draw_breakdown, divided)))),
    )


def _draw_lines(test: TestFacts) -> Figure:
    rows = [
        Row(LINES[line.name], line.rmse, line.margin or 0, f"{line.rmse:.4f}", line.name)
        for line in test.accuracy.lines
    ]
    note = "The 95 % margins take users as drawn at random."
    if test.lowest_rmse is not None:
        note += f" On these made-up ratings nobody could expect less than {test.lowest_rmse:.4f} (dashed)."
    return Figure(
        "RMSE of every line",
        draw_dots(
            rows,
            words="RMSE of every line: " + ", ".join(f"{row.label} {row.said}" for row in rows),
            guide=test.lowest_rmse,
        ),
        note,
    )


def _draw_breakdown(title: str, axis: str, parts: Breakdown, note: str) -> Figure:
    places = [place for place, rows in enumerate(parts.n_rows) if rows >= FEWEST_DRAWN]
    if len(places) < len(parts.labels):
        note = f"{note} Groups of fewer than {FEWEST_DRAWN} rows are not drawn.".strip()
    places = places or list(range(len(parts.labels)))
    series = [
        Series(
            LABELS[name],
            name,
            tuple((x, values[place]) for x, place in enumerate(places)),
            tuple(
                f"{LABELS[name]}, {parts.labels[place]}: {values[place]:.4f} ({parts.n_rows[place]:,} rows)"
                for place in places
            ),
        )
        for name, values in parts.rmse.items()
    ]
    table = Table(
        head=(axis, "rows", *(LABELS[name] for name in parts.rmse)),
        rows=tuple(
            (label, f"{rows:,}", *(f"{values[place]:.4f}" for values in parts.rmse.values()))
            for place, (label, rows) in enumerate(zip(parts.labels, parts.n_rows, strict=True))
        ),
    )
    svg = draw_lines(
        series,
        labels=[(x, parts.labels[place]) for x, place in enumerate(places)],
        words=f"RMSE {title.lower()}, a line for each of {', '.join(LABELS[name] for name in parts.rmse)}",
        axis=axis,
    )
    return Figure(title, svg, note, table)


def write_calibration(calibration: Calibration) -> Section:
    """Whether predictions, intervals and errors are what they should be."""
    figures = (_draw_means(calibration), _draw_coverage(calibration), _draw_residuals(calibration))
    return Section("calibration", "Whether predictions mean what they say", (Gallery(figures),))


def _draw_means(calibration: Calibration) -> Figure:
    bins = calibration.bins
    low = min(min(part.predicted, part.actual) for part in bins)
    high = max(max(part.predicted, part.actual) for part in bins)
    note = (
        "Bins of test rows, from the lowest predictions to the highest; on the dashed line both means agree."
    )
    if calibration.slope is not None:
        note += (
            f" The actual ratings rise by {calibration.slope:.2f} stars for each star predicted: with less "
            "than 1 predictions are too far apart, with more too close together."
        )
    means = Series(
        "mean of a bin",
        "full",
        tuple((part.predicted, part.actual) for part in bins),
        tuple(
            f"predicted {part.predicted:.2f}, actual {part.actual:.2f} ({part.n_rows:,} rows)"
            for part in bins
        ),
    )
    return Figure(
        "Mean rating by prediction",
        draw_lines(
            [Series("", "guide", ((low, low), (high, high))), means],
            labels=[(value, f"{value:.1f}") for value in (low, (low + high) / 2, high)],
            words="Mean actual rating against mean prediction, in bins; the table has the numbers",
            axis="mean prediction, stars",
        ),
        note,
        Table(
            head=("bin", "rows", "predicted", "actual", "difference"),
            rows=tuple(
                (
                    str(place),
                    f"{part.n_rows:,}",
                    f"{part.predicted:.3f}",
                    f"{part.actual:.3f}",
                    f"{part.actual - part.predicted:+.3f}",
                )
                for place, part in enumerate(bins, start=1)
            ),
        ),
    )


def _draw_coverage(calibration: Calibration) -> Figure:
    rows = [
        Row(
            f"{part.label} ratings known" if place else "all rows",
            part.share,
            part.margin,
            f"{part.share:.1%}",
            "full",
        )
        for place, part in enumerate(calibration.coverage)
    ]
    return Figure(
        f"Ratings inside the {COVERAGE * 100:.0f} % interval",
        draw_dots(
            rows,
            words="Share inside the interval: " + ", ".join(f"{row.label} {row.said}" for row in rows),
            percent=True,
            guide=COVERAGE,
        ),
        "Dashed: the share that was promised. Whiskers are 95 % confidence intervals.",
        Table(
            head=("ratings known", "rows", "inside", "95 % margin", "mean width, stars"),
            rows=tuple(
                (
                    part.label,
                    f"{part.n_rows:,}",
                    f"{part.share:.1%}",
                    f"± {part.margin:.1%}",
                    f"{part.width:.2f}",
                )
                for part in calibration.coverage
            ),
        ),
    )


def _draw_residuals(calibration: Calibration) -> Figure:
    residuals = calibration.residuals
    spread = f"mean {residuals.mean:+.3f}, standard deviation {residuals.deviation:.3f} stars"
    return Figure(
        "Errors",
        draw_bars(
            [f"{middle:g}" for middle in residuals.middles],
            residuals.counts,
            words=f"Histogram of the errors: {spread}",
            axis="actual less predicted, stars",
            labelled=[place for place, middle in enumerate(residuals.middles) if middle.is_integer()],
        ),
        f"{spread.capitalize()}. {residuals.within_half:.0%} of the predictions are at most half a star off, "
        f"{residuals.within_one:.0%} at most one.",
        Table(
            head=("error, stars", "rows"),
            rows=tuple(
                (f"{middle:+g}", f"{count:,}")
                for middle, count in zip(residuals.middles, residuals.counts, strict=True)
            ),
        ),
    )


def write_importance(importance: Importance) -> Section:
    """What each group of features is worth."""
    rows = [
        Row(group.name, group.rise, group.deviation, f"{group.rise:+.4f}", "full")
        for group in importance.groups
    ]
    figure = Figure(
        "Rise of the RMSE when a group is shuffled",
        draw_dots(
            rows,
            words="Rise of the RMSE by group: " + ", ".join(f"{row.label} {row.said}" for row in rows),
            stems=True,
        ),
        f"From {importance.rmse:.4f} on {importance.n_rows:,} test rows, with the standard "
        f"deviation over {N_SHUFFLES} shuffles.",
    )
    table = Table(
        head=("group", "rise", "what is in it"),
        rows=tuple(
            (group.name, f"{group.rise:+.4f} ± {group.deviation:.4f}", list_columns(group.columns))
            for group in importance.groups
        ),
        caption="The groups",
        is_numeric=False,
    )
    return Section("importance", "What it looks at", (Paragraph(ABOUT_IMPORTANCE), Gallery((figure, table))))


def list_columns(names: Sequence[str]) -> str:
    """Join the names of columns, those that differ in a number alone as one.

    >>> list_columns(["gap_1", "gap_2", "count"])
    'gap_1 to 2, count'
    """
    spans: list[tuple[str, list[str]]] = []
    for name in names:
        stem, _, number = name.rpartition("_")
        if not number.isdecimal():
            spans.append((name, []))
        elif spans and spans[-1][0] == stem:
            spans[-1][1].append(number)
        else:
            spans.append((stem, [number]))
    return ", ".join(
        stem if not numbers else f"{stem}_{numbers[0]}" + (f" to {numbers[-1]}" if len(numbers) > 1 else "")
        for stem, numbers in spans
    )
