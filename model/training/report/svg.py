"""Pieces of SVG: elements, escaped text, linear scales and round ticks."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH = 360
"""Units across every drawing; on a phone one is a little less than a pixel, so that text stays legible."""
LETTER = 6.8
"""Units that a letter takes, about."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from values to places."""

    low: float
    high: float
    start: float
    """Where `low` is drawn."""
    stop: float
    """Where `high` is drawn."""

    def __call__(self, value: float) -> float:
        """The place of a value; values beyond the ends stay at the ends."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + (self.stop - self.start) * min(1.0, max(0.0, share))


def element(name: str, content: str = "", **attributes: str | float) -> str:
    """One element; underscores in the attributes' names become hyphens.

    Args:
        name: of the element.
        content: markup within it.
        attributes: numbers are rounded to a tenth of a unit; `css` is the class.

    >>> element("circle", cx=1.25, css="full")
    '<circle cx="1.2" class="full"/>'
    """
    pairs = "".join(
        f' {"class" if key == "css" else key.replace("_", "-")}="{_write(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{pairs}>{content}</{name}>" if content else f"<{name}{pairs}/>"


def text(x: float, y: float, words: str, *, anchor: str = "start", css: str = "") -> str:
    """A line of text, escaped."""
    classes = {"css": css} if css else {}
    return element("text", escape(words), x=x, y=y, text_anchor=anchor, **classes)


def tip(words: str) -> str:
    """What a pointer shows over an element."""
    return element("title", escape(words))


def drawing(body: Sequence[str], *, height: float, words: str) -> str:
    """A whole drawing that scales with its place.

    Args:
        body: its elements.
        height: units; it is `WIDTH` wide.
        words: what a screen reader says instead.
    """
    return element(
        "svg", "".join(body), viewBox=f"0 0 {WIDTH} {height:g}", role="img", aria_label=escape(words)
    )


def choose_ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Round numbers from `low` or below to `high` or above, evenly spaced.

    Args:
        low: lowest value shown.
        high: highest value shown, above `low`.
        most: how many at most, about.

    >>> choose_ticks(0.83, 1.07)
    [0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1]
    """
    rough = (high - low) / (most - 1)
    unit = 10.0 ** floor(log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, last + 1)]


def write_ticks(ticks: Sequence[float], *, sign: str = "", percent: bool = False) -> list[str]:
    """Write ticks with as many digits as their distance needs.

    Args:
        ticks: two or more, evenly spaced.
        sign: "+" to write that of positive ones too.
        percent: whether they are shares.

    >>> write_ticks([0.0, 0.005, 0.01], sign="+"), write_ticks([0.7, 0.75], percent=True)
    (['+0.000', '+0.005', '+0.010'], ['70%', '75%'])
    """
    digits = max(0, -floor(log10(ticks[1] - ticks[0]) + 1e-9))
    form = f"{sign}.{max(0, digits - 2)}%" if percent else f"{sign}.{digits}f"
    return [format(tick, form) for tick in ticks]


def _write(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
