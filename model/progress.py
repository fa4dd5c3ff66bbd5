"""What a long step is doing: how far it is, how fast it goes, how much longer it takes.

Steps that take longer than a second show a bar on standard error while they last, where that is a terminal;
anywhere else they are silent. Within `narrating`, each step leaves a line behind, terminal or not, and where
no bar can be shown a long one says how far it is about once a minute. The bars are drawn by rich, which the
`train` extra installs and the serving path never imports.
"""

import importlib.util
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sized
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

DELAY = 1.0
"""Seconds a step takes before its bar appears: shorter ones would only flicker."""
LINE_SECONDS = 60.0
"""Seconds from one line to the next of a step that has no bar."""
MEGABYTE = 1e6
"""Steps that read or write count in megabytes of so many bytes, with the unit `MB`."""

ROWS_AT_ONCE = 1 << 20
"""Rows from one sign of progress to the next: of a hundred million, a fraction of a second's work."""

_WIDE = 100
"""Columns of a terminal from which on there is room for the rate's unit and the time taken so far, too."""
_MILLION = 1e6

_Item = TypeVar("_Item")


class Step:
    """A step under way; `track_step` makes it."""

    def __init__(self, name: str, *, total: float | None, unit: str, done: float = 0) -> None:
        self.name = name
        self.total = total
        self.unit = unit
        self.done = self._done_before = done
        self.is_over = False
        self._started = self._told = time.monotonic()

    def advance(self, n: float = 1) -> None:
        """Say that more is done.

        Args:
            n: how many units more.
        """
        self.reach(self.done + n, self.total)

    def reach(self, done: float, total: float | None) -> None:
        """Say how much is done by now.

        Args:
            done: how many units.
            total: of how many; None where nobody knows.
        """
        self.done, self.total = done, total
        _display.refresh(self)

    def go_through(self, n_rows: int, *, worth: float = 1.0, at_once: int = ROWS_AT_ONCE) -> Iterator[slice]:
        """Go through rows a block at a time and say how far it is.

        Args:
            n_rows: how many there are.
            worth: how many units a row counts; less than 1 where the step goes through its rows again.
            at_once: rows in a block.

        Yields:
            The rows of each block.
        """
        for start in range(0, n_rows, at_once):
            rows = slice(start, min(start + at_once, n_rows))
            yield rows
            self.advance((rows.stop - rows.start) * worth)

    def describe_count(self) -> str:
        """How much is done: `1,200 of 5,000 pairs`; nothing where nothing is counted."""
        if not self.unit or not (self.done or self.total):
            return ""
        of_total = "" if self.total is None or self.is_over else f" of {_format_number(self.total)}"
        return f"{_format_number(self.done)}{of_total} {self.unit}"

    def describe_rate(self, *, with_unit: bool = True) -> str:
        """How fast it goes: `830 pairs/s`, or `830/s`; nothing where nothing is done yet."""
        seconds = time.monotonic() - self._started
        done = self.done - self._done_before
        if not self.unit or done <= 0 or not seconds:
            return ""
        return f"{_format_number(done / seconds)}{f' {self.unit}' if with_unit else ''}/s"

    def describe_left(self) -> str:
        """How much longer it takes at this rate: `0:18:20 left`; nothing where nobody knows."""
        done = self.done - self._done_before
        if self.total is None or done <= 0:
            return ""
        seconds = (self.total - self.done) * (time.monotonic() - self._started) / done
        return f"{timedelta(seconds=round(seconds))} left"

    def is_line_due(self) -> bool:
        """Whether more is to do and its last line, or its start, is `LINE_SECONDS` ago; said once."""
        now = time.monotonic()
        if now - self._told < LINE_SECONDS or self.done == self.total:
            return False
        self._told = now
        return True

    def describe_progress(self) -> str:
        """The line of one under way: `scoring: 1,200 of 5,000 pairs in 60.0 s (20 pairs/s), 0:03:10 left`."""
        left = self.describe_left()
        return f"{self.summarise()}{left and f', {left}'}"

    def summarise(self) -> str:
        """The line that a finished step leaves: `scoring: 5,000 pairs in 6.0 s (830 pairs/s)`."""
        seconds = time.monotonic() - self._started
        count, rate = self.describe_count(), self.describe_rate()
        return f"{self.name}: {count and f'{count} in '}{seconds:.1f} s{rate and f' ({rate})'}"


@contextmanager
def track_step(
    name: str, *, total: float | None = None, unit: str = "", done: float = 0
) -> Generator[Step, None, None]:
    """Show a step while it lasts.

    Args:
        name: what happens, for the reader: `reading ratings`.
        total: how many units there are to do, where that is known: without, no time left can be told.
        unit: what is counted, in the plural; nothing where the step cannot tell how far it is.
        done: how many units an earlier attempt has done; they count towards the total, not the rate.

    Yields:
        The step, to be told how far it is.
    """
    step = Step(name, total=total, unit=unit, done=done)
    with _display.showing(step):
        yield step
    if _display.is_narrating and not _display.n_under_way:
        print(step.summarise(), file=sys.stderr)  # ruff: ignore[print] - asked for with --verbose


def track_items(items: Iterable[_Item], name: str, *, unit: str) -> Iterator[_Item]:
    """Go through items and show how far it is: a step of as many units as there are items.

    Args:
        items: to go through.
        name: as for `track_step`.
        unit: what the items are, in the plural.

    Yields:
        The items.
    """
    total = len(items) if isinstance(items, Sized) else None
    with track_step(name, total=total, unit=unit) as step:
        for item in items:
            yield item
            step.advance()


def track_rows(
    n_rows: int, name: str, *, unit: str = "ratings", at_once: int = ROWS_AT_ONCE
) -> Iterator[slice]:
    """Go through rows a block at a time: a step of as many units as there are rows.

    Args:
        n_rows: how many there are.
        name: as for `track_step`.
        unit: what a row is, in the plural.
        at_once: rows in a block.

    Yields:
        The rows of each block.
    """
    with track_step(name, total=n_rows, unit=unit) as step:
        yield from step.go_through(n_rows, at_once=at_once)


@contextmanager
def narrating(wanted: bool) -> Generator[None, None, None]:  # ruff: ignore[boolean-type-hint-positional-argument] - the value of a flag
    """Let each finished step leave a line on standard error, unless it is part of another.

    Args:
        wanted: whether to; nothing changes if not.
    """
    before = _display.is_narrating
    _display.is_narrating = before or wanted
    try:
        yield
    finally:
        _display.is_narrating = before


def hush() -> None:
    """Show nothing more in this process: another one draws on the terminal."""
    _display.is_hushed = True


class _Display:
    """The bars of all steps under way, one below the other. Steps open and close in one thread."""

    def __init__(self) -> None:
        self.is_narrating = False
        self.is_hushed = False
        self.n_under_way = 0
        self._lock = threading.Lock()
        self._bars: Progress | None = None
        self._tasks: dict[Step, TaskID] = {}

    @contextmanager
    def showing(self, step: Step) -> Generator[None, None, None]:
        """Show a step's bar as long as this lasts, once `DELAY` has passed."""
        self.n_under_way += 1
        try:
            with self._drawing(step):
                yield
        finally:
            self.n_under_way -= 1
            step.is_over = True

    @contextmanager
    def _drawing(self, step: Step) -> Generator[None, None, None]:
        if self.is_hushed or not _can_draw():
            yield
            return
        timer = threading.Timer(DELAY, self._open, [step])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._close(step)

    def refresh(self, step: Step) -> None:
        """Bring a step's bar up to date, if it has one by now; where there are none, a line if due."""
        if step in self._tasks:
            with self._lock:
                self._draw(step)
        elif self.is_narrating and step.is_line_due() and not self.is_hushed and not _can_draw():
            print(step.describe_progress(), file=sys.stderr)  # ruff: ignore[print] - asked for with --verbose

    def _open(self, step: Step) -> None:
        with self._lock:
            if step.is_over:
                return
            if self._bars is None:
                self._bars = _build_bars()
                self._bars.start()
            self._tasks[step] = self._bars.add_task(step.name, total=step.total, count="", rate="", left="")
            self._draw(step)
            self._bars.refresh()

    def _draw(self, step: Step) -> None:
        if self._bars is not None and step in self._tasks:
            self._bars.update(
                self._tasks[step],
                completed=step.done,
                total=step.total,
                count=step.describe_count(),
                rate=step.describe_rate(with_unit=step.unit == "MB" or self._bars.console.width >= _WIDE),
                left="" if step.total is None else "left",
            )

    def _close(self, step: Step) -> None:
        with self._lock:
            step.is_over = True  # a timer that has just run out finds nothing to open
            if self._bars is None or step not in self._tasks:
                return
            self._bars.remove_task(self._tasks.pop(step))
            if not self._tasks:
                self._bars.stop()
                self._bars = None


def _can_draw() -> bool:
    """Whether bars can be shown."""
    return sys.stderr.isatty() and importlib.util.find_spec("rich") is not None


def _build_bars() -> "Progress":
    """Bars on standard error that vanish when they are done."""
    # rich takes 60 ms to import, and only long steps need it
    from rich.console import Console  # ruff: ignore[import-outside-top-level]
    from rich.progress import (  # ruff: ignore[import-outside-top-level]
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),  # less where there is no room
        TaskProgressColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        TextColumn("{task.fields[rate]}", markup=False),
        *([TimeElapsedColumn()] if console.width >= _WIDE else []),
        TextColumn("{task.fields[left]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        # what goes elsewhere must not end up on the terminal
        redirect_stdout=sys.stdout.isatty(),
    )


def _format_number(number: float) -> str:
    """A number as people read it, and short enough for a line: whole from ten on, in millions from one on.

    >>> _format_number(12345.6), _format_number(4.02), _format_number(0.0263), _format_number(100_480_507)
    ('12,346', '4', '0.026', '100.5M')
    """
    if number < 1:
        return f"{number:.2g}"
    if number >= _MILLION:
        return f"{number / _MILLION:,.1f}".removesuffix(".0") + "M"
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}".removesuffix(".0")


_display = _Display()
