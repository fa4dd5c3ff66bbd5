"""Charts: where marks are drawn, and that what is shown is what is given."""

import re
import xml.etree.ElementTree as ET

import pytest

from model.training.report.charts import (
    Picture,
    Row,
    Series,
    draw_bars,
    draw_dots,
    draw_lines,
    draw_prediction,
    shorten,
)
from model.training.report.svg import Scale, choose_ticks, drawing, element, text, tip


def find(svg: str, css: str) -> list[ET.Element]:
    """All elements of a class; fails unless the SVG is well-formed."""
    return [node for node in ET.fromstring(svg).iter() if css in node.get("class", "").split()]


def read_texts(svg: str) -> list[str]:
    """What is written, in order, but for the tips."""
    return [node.text or "" for node in ET.fromstring(svg).iter("text")]


def test_scale_maps_linearly_when_within_its_ends() -> None:
    """0 to 10 onto 100 down to 0; beyond the ends it stays."""
    scale = Scale(0, 10, 100, 0)
    assert [scale(value) for value in (0, 2.5, 10, -1, 11)] == [100, 75, 0, 100, 0]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 24_000, [0, 5_000, 10_000, 15_000, 20_000, 25_000]),
        (0.83, 1.07, [0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1]),
        (-0.01, 0.2, [-0.05, 0, 0.05, 0.1, 0.15, 0.2]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.7994, 0.7995, [0.7994, 0.79942, 0.79944, 0.79946, 0.79948, 0.7995]),
    ],
)
def test_ticks_are_round_and_hold_the_values_when_chosen(
    low: float, high: float, expected: list[float]
) -> None:
    """Steps of 1, 2 or 5 times a power of ten."""
    assert choose_ticks(low, high) == pytest.approx(expected)


def test_text_is_escaped_when_it_looks_like_markup() -> None:
    """Nothing that is written becomes an element."""
    svg = drawing([text(0, 0, "<b>&"), element("g", tip("<i>"))], height=10, words='"<script>"')
    root = ET.fromstring(svg)
    assert {node.tag for node in root.iter()} == {"svg", "text", "g", "title"}
    assert root.get("aria-label") == '"<script>"'
    assert (root.get("role"), read_texts(svg)) == ("img", ["<b>&"])


def test_bars_are_as_high_as_their_counts_when_drawn() -> None:
    """Heights of 1 to 2 to 4, each with its number."""
    svg = draw_bars(["a", "b", "c"], [100, 200, 400], words="counts", axis="letter")
    heights = [float(bar.get("height", "")) for bar in find(svg, "bar")]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert heights[2] == pytest.approx(4 * heights[0], abs=0.4)
    assert [label for label in read_texts(svg) if label in "abc"] == ["a", "b", "c"]
    assert [bar[0].text for bar in find(svg, "bar")] == ["a: 100", "b: 200", "c: 400"]


def test_bars_are_labelled_now_and_then_when_there_are_many() -> None:
    """Forty years of four digits do not fit."""
    svg = draw_bars([str(1980 + year) for year in range(40)], [5] * 40, words="years", axis="year")
    years = [label for label in read_texts(svg) if re.fullmatch(r"(19|20)\d\d", label)]
    assert years[0] == "1980"
    assert 5 <= len(years) <= 12
    assert len(find(svg, "bar")) == 40


def test_bars_are_drawn_when_all_are_empty() -> None:
    """No division by zero; every bar has no height."""
    svg = draw_bars(["a"], [0], words="nothing", axis="letter")
    assert [bar.get("height") for bar in find(svg, "bar")] == ["0"]


def test_lines_go_through_their_points_when_drawn() -> None:
    """The higher value is higher up, the middle label halfway."""
    series = Series("full", "full", ((0, 1.0), (1, 0.5), (2, 0.75)), ("a", "b", "c"))
    svg = draw_lines([series], labels=[(0, "x"), (1, "y"), (2, "z")], words="line", axis="letter")
    [line] = find(svg, "line")
    (x1, y1), (x2, y2), (x3, y3) = (
        tuple(map(float, pair.split(","))) for pair in line.get("points", "").split()
    )
    assert x2 == pytest.approx((x1 + x3) / 2, abs=0.1)
    assert y3 == pytest.approx((y1 + y2) / 2, abs=0.1)
    assert y1 < y2
    assert [mark[0].text for mark in find(svg, "mark")] == ["a", "b", "c", "full"]


def test_lines_are_drawn_when_there_is_one_point() -> None:
    """One epoch, one value: the mark stands somewhere within."""
    svg = draw_lines(
        [Series("training", "training", ((1, 0.9),), ("epoch 1",))],
        labels=[(1, "1")],
        words="one",
        axis="epoch",
    )
    mark = find(svg, "mark")[0]
    assert 0 < float(mark.get("cx", "")) < 360
    assert 0 < float(mark.get("cy", "")) < 220


def test_dots_stand_where_their_values_are_when_drawn() -> None:
    """0.8 is on the guide, 0.9 to the right of it, and the whisker is as long as its margin on both sides."""
    rows = [Row("first", 0.8, 0, "80%", "full"), Row("second", 0.9, 0.05, "90%", "full")]
    svg = draw_dots(rows, words="dots", guide=0.8)
    first, second = (float(mark.get("cx", "")) for mark in find(svg, "mark"))
    [guide], [whisker] = find(svg, "guide"), find(svg, "whisker")
    assert guide.get("x1") == find(svg, "mark")[0].get("cx")
    assert first < second
    ends = float(whisker.get("x1", "")), float(whisker.get("x2", ""))
    assert sum(ends) / 2 == pytest.approx(second, abs=0.1)
    assert (ends[1] - second) / (second - first) == pytest.approx(0.5, abs=0.01)


def test_stems_start_from_zero_when_values_lie_on_both_sides() -> None:
    """One leads to the right and one to the left of the same place."""
    rows = [Row("up", 0.2, 0, "+0.2", "full"), Row("down", -0.1, 0, "-0.1", "full")]
    up, down = find(draw_dots(rows, words="stems", stems=True), "stem")
    assert up.get("x1") == down.get("x1")
    assert float(down.get("x2", "")) < float(up.get("x1", "")) < float(up.get("x2", ""))


def test_axis_ends_at_nought_and_one_when_whiskers_of_shares_reach_beyond() -> None:
    """No share is below nothing or above all."""
    rows = [Row("all", 0.95, 0.2, "all", "full"), Row("none", 0.05, 0.2, "none", "full")]
    texts = read_texts(draw_dots(rows, words="shares", percent=True))
    assert [said for said in texts if said.endswith("%")] == ["0%", "50%", "100%"]


def test_axis_starts_from_zero_when_a_stem_to_the_left_is_tiny() -> None:
    """-0.0001 beside 0.4 is drawn at zero."""
    rows = [Row("up", 0.4, 0, "up", "full"), Row("down", -0.0001, 0, "down", "full")]
    texts = read_texts(draw_dots(rows, words="stems", stems=True))
    assert [said for said in texts if said[0] in "+-"] == ["+0.0", "+0.1", "+0.2", "+0.3", "+0.4"]


@pytest.mark.parametrize(("lowest", "n_stars"), [(1.0, 5), (0.5, 5)])
def test_prediction_shows_all_on_one_scale_when_drawn(lowest: float, n_stars: int) -> None:
    """The actual rating stands below its star, and neighbours who gave the same do not hide each other."""
    picture = Picture(
        lowest=lowest,
        highest=5,
        actual=2,
        predicted=3.5,
        interval=(3, 4),
        neighbours=(2, 2, 5),
    )
    svg = draw_prediction(picture, words="picture")
    stars = {label: place for label, place in _place_texts(svg).items() if "★" in label}
    assert list(stars) == [f"{star} ★" for star in range(1, n_stars + 1)]
    places = [(circle.get("cx"), circle.get("cy")) for circle in find(svg, "neighbour")]
    assert len(set(places)) == 3
    assert [float(x or "") for x, _ in places] == [stars["2 ★"], stars["2 ★"], stars["5 ★"]]
    [interval] = find(svg, "interval")
    assert float(interval.get("x", "")) == pytest.approx(stars["3 ★"])
    corners = find(svg, "actual")[0].get("points", "").split()
    assert float(corners[0].split(",")[0]) == pytest.approx(stars["2 ★"])


def _place_texts(svg: str) -> dict[str, float]:
    root = ET.fromstring(svg)
    return {node.text or "": float(node.get("x", "")) for node in root.iter("text")}


def test_shorten_keeps_what_counts_when_numbers_are_large() -> None:
    """Two digits at most before the letter, one after the point."""
    assert [shorten(count) for count in (9, 999, 1_234, 45_678, 100_480_507)] == [
        "9", "999", "1.2k", "46k", "100M",
    ]  # fmt: skip
