"""The four kinds of charts of the report, and the picture of one prediction; all as SVG text.

Colours come from the page's style sheet by class: `full`, `seed`, `biases`, `movie_mean`, `constant` for the
lines of the RMSE table, `training` and `validation`. Marks differ in shape as well as in colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from model.training.report.svg import (
    LETTER,
    WIDTH,
    Scale,
    choose_ticks,
    drawing,
    element,
    text,
    tip,
    write_ticks,
)

TOP, BOTTOM, LEFT, RIGHT = 12, 40, 40, 8
"""Units around the area of a chart."""
HEIGHT = 220
LEGEND_HEIGHT = 18
ROW_HEIGHT = 38
TOO_SHORT = 0.02
"""A stem to the left that is shorter than this part of the longest to the right needs no axis of its own."""
MOST_VALUES = 10
"""Charts of more bars do not say the number of each."""
_SQUARE = ((-4, -4), (4, -4), (4, 4), (-4, 4))
_OUTLINES = {
    "seed": _SQUARE,
    "validation": _SQUARE,
    "biases": ((0, -6), (5, 4), (-5, 4)),
    "movie_mean": ((0, 6), (5, -4), (-5, -4)),
    "actual": ((0, -7), (7, 0), (0, 7), (-7, 0)),
}
"""Corners of the marks that are no circles, from their middle."""


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a chart."""

    label: str
    css: str
    points: tuple[tuple[float, float], ...]
    """(x, y) in the order in which they are joined."""
    tips: tuple[str, ...] = ()
    """What a pointer shows over each point; points without have no marks."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a dot chart."""

    label: str
    value: float
    margin: float
    """Half the length of the whisker; 0 for none."""
    said: str
    """The value in words."""
    css: str


def draw_bars(
    labels: Sequence[str],
    counts: Sequence[int],
    *,
    words: str,
    axis: str,
    labelled: Sequence[int] | None = None,
) -> str:
    """Vertical bars from zero.

    Args:
        labels: of each bar.
        counts: their heights.
        words: what a screen reader says.
        axis: what the labels are.
        labelled: the bars below which the label stands; None for as many as there is room for.
    """
    ticks = choose_ticks(0, max(*counts, 1), most=4)
    up = Scale(0, ticks[-1], HEIGHT - BOTTOM, TOP + 8)
    step = (WIDTH - LEFT - RIGHT) / len(labels)
    if labelled is None:
        labelled = range(0, len(labels), ceil((max(map(len, labels)) + 1) * LETTER / step))
    body = _draw_grid(ticks, up, [shorten(tick) for tick in ticks])
    for place, (label, count) in enumerate(zip(labels, counts, strict=True)):
        x = LEFT + place * step
        height = up(0) - up(count)
        body.append(
            element(
                "rect", tip(f"{label}: {count:,}"), x=x + step * 0.1, y=up(count), width=step * 0.8,
                height=height, css="bar",
            )
        )  # fmt: skip
        if len(labels) <= MOST_VALUES:
            body.append(text(x + step / 2, up(count) - 4, shorten(count), anchor="middle", css="value"))
        if place in labelled:
            body.append(text(x + step / 2, HEIGHT - BOTTOM + 16, label, anchor="middle"))
    body.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, axis, anchor="middle", css="axis"))
    return drawing(body, height=HEIGHT, words=words)


def draw_lines(
    series: Sequence[Series],
    *,
    labels: Sequence[tuple[float, str]],
    words: str,
    axis: str,
) -> str:
    """Lines over a numeric or labelled axis.

    Args:
        series: the lines; the last one is drawn on top.
        labels: places on the x axis and what stands there; the outermost are its ends.
        words: what a screen reader says.
        axis: what the labels are.
    """
    values = [y for line in series for _, y in line.points]
    low, high = min(values), max(values)
    ticks = choose_ticks(low, high if high > low else low + 0.1, most=5)
    up = Scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP + LEGEND_HEIGHT)
    first, last = labels[0][0], labels[-1][0]
    if first == last:
        first, last = first - 1, last + 1
    inset = 30
    across = Scale(first, last, LEFT + inset, WIDTH - RIGHT - inset)
    body = _draw_grid(ticks, up, write_ticks(ticks))
    body += [text(across(x), HEIGHT - BOTTOM + 16, label, anchor="middle") for x, label in labels]
    body.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, axis, anchor="middle", css="axis"))
    for line in series:
        places = [(across(x), up(y)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        body.append(element("polyline", points=path, css=f"line {line.css}"))
        body += [_draw_mark(line.css, x, y, said) for (x, y), said in zip(places, line.tips, strict=False)]
    body += _draw_legend(series)
    return drawing(body, height=HEIGHT, words=words)


def draw_dots(
    rows: Sequence[Row],
    *,
    words: str,
    guide: float | None = None,
    stems: bool = False,
    percent: bool = False,
) -> str:
    """Horizontal dots with whiskers, a row each.

    Args:
        rows: from the top down.
        words: what a screen reader says.
        guide: a value that a vertical line marks.
        stems: whether the values are differences: stems lead from zero to the dots.
        percent: whether the values are shares.
    """
    ends = [end for row in rows for end in (row.value - row.margin, row.value + row.margin)]
    ends += [0.0] if stems else []
    ends += [] if guide is None else [guide]
    low, high = min(ends), max(ends)
    if percent:
        low, high = max(low, 0.0), min(high, 1.0)  # a whisker may reach beyond what a share can be
    if stems and -low < TOO_SHORT * high:
        low = 0.0
    ticks = choose_ticks(low, high if high > low else low + 0.1, most=5)
    across = Scale(ticks[0], ticks[-1], 12, WIDTH - 16)
    bottom = ROW_HEIGHT * len(rows) + 4
    body = [
        piece
        for tick, said in zip(
            ticks, write_ticks(ticks, sign="+" if stems else "", percent=percent), strict=True
        )
        for piece in (
            element("line", x1=across(tick), x2=across(tick), y1=0, y2=bottom, css="grid"),
            text(across(tick), bottom + 14, said, anchor="middle"),
        )
    ]
    if guide is not None:
        body.append(element("line", x1=across(guide), x2=across(guide), y1=0, y2=bottom, css="guide"))
    for place, row in enumerate(rows):
        y = place * ROW_HEIGHT + 27
        body += [
            text(0, y - 13, row.label),
            text(WIDTH, y - 13, row.said, anchor="end", css="value"),
        ]
        if stems:
            body.append(
                element("line", x1=across(0), x2=across(row.value), y1=y, y2=y, css=f"stem {row.css}")
            )
        if row.margin:
            start, stop = across(row.value - row.margin), across(row.value + row.margin)
            body.append(element("line", x1=start, x2=stop, y1=y, y2=y, css=f"whisker {row.css}"))
        body.append(_draw_mark(row.css, across(row.value), y, f"{row.label}: {row.said}"))
    return drawing(body, height=bottom + 20, words=words)


@dataclass(frozen=True, slots=True)
class Picture:
    """What the picture of one prediction shows, all in stars."""

    lowest: float
    """End of the scale."""
    highest: float
    """End of the scale."""
    actual: float
    predicted: float
    interval: tuple[float, float]
    neighbours: tuple[float, ...]
    """What they gave, nearest first."""


def draw_prediction(picture: Picture, *, words: str) -> str:
    """From the top down: the neighbours' ratings, the prediction in its interval, the rating that was given.

    Args:
        picture: what to show.
        words: what a screen reader says.
    """
    across = Scale(picture.lowest, picture.highest, 16, WIDTH - 16)
    n_stars = round(picture.highest) - round(picture.lowest + 0.25) + 1
    body = []
    for star in range(round(picture.highest) - n_stars + 1, round(picture.highest) + 1):
        body += [
            element("line", x1=across(star), x2=across(star), y1=4, y2=84, css="grid"),
            text(across(star), 98, f"{star} ★", anchor="middle"),
        ]
    # neighbours who gave the same stand above each other
    heights: dict[float, int] = {}
    for rank, rating in enumerate(picture.neighbours):
        height = heights.get(rating, 0)
        heights[rating] = height + 1
        x, y = across(rating), 36 - 11 * height
        body.append(
            element("circle", tip(f"neighbour {rank + 1}: {rating:g}"), cx=x, cy=y, r=5, css="neighbour")
        )
    low, high = picture.interval
    body += [
        element(
            "rect", tip(f"80 % interval: {low:.1f} to {high:.1f}"), x=across(low), y=50,
            width=max(2.0, across(high) - across(low)), height=12, rx=3, css="interval",
        ),
        _draw_mark("full", across(picture.predicted), 56, f"predicted: {picture.predicted:.2f}"),
        _draw_mark("actual", across(picture.actual), 75, f"actual: {picture.actual:g}"),
    ]  # fmt: skip
    return drawing(body, height=104, words=words)


def shorten(value: float) -> str:
    """Write a count in few letters.

    >>> [shorten(value) for value in (0, 950, 1_000, 23_456, 2_500_000)]
    ['0', '950', '1k', '23k', '2.5M']
    """
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            scaled = value / unit
            return f"{scaled:.1f}".removesuffix(".0") + letter if scaled < 10 else f"{scaled:.0f}{letter}"
    return f"{value:g}"


def _draw_grid(ticks: Sequence[float], up: Scale, said: Sequence[str]) -> list[str]:
    return [
        piece
        for tick, words in zip(ticks, said, strict=True)
        for piece in (
            element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=up(tick), y2=up(tick), css="grid"),
            text(LEFT - 6, up(tick) + 4, words, anchor="end"),
        )
    ]


def _draw_legend(series: Sequence[Series]) -> list[str]:
    """Names and marks above the chart, in the order of the lines."""
    pieces = []
    x = 8.0
    for line in series:
        if line.label:
            pieces += [_draw_mark(line.css, x, 8, line.label), text(x + 9, 12, line.label)]
            x += len(line.label) * LETTER + 24
    return pieces


def _draw_mark(css: str, x: float, y: float, said: str) -> str:
    """A mark whose shape goes with its class."""
    outline = _OUTLINES.get(css)
    if outline is None:
        return element("circle", tip(said), cx=x, cy=y, r=4.5, css=f"mark {css}")
    points = " ".join(f"{x + right:.1f},{y + down:.1f}" for right, down in outline)
    return element("polygon", tip(said), points=points, css=f"mark {css}")
