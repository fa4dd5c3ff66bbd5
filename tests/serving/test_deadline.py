"""The clock that Lambda's remaining time is counted on."""

from types import SimpleNamespace

import pytest

from model.serving import deadline
from model.serving.deadline import RESERVE, OutOfTimeError, check_time, due_in, keep_pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds on the clock, in its one element, for the test to move."""
    now = [1_000.0]
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_check_time_passes_when_nothing_is_due(clock: list[float]) -> None:
    """Without a platform's deadline any amount of work may be started."""
    check_time(needed=1e9)
    clock[0] += 1e9
    check_time()


def test_check_time_refuses_when_the_reserve_begins(clock: list[float]) -> None:
    """Of 10 s all but the reserve may be used, and not a moment more; afterwards the deadline is gone."""
    with due_in(10):
        check_time(needed=10 - RESERVE - 0.001)
        with pytest.raises(OutOfTimeError, match=r"9\.8 s are left"):
            check_time(needed=10 - RESERVE + 0.001)
        clock[0] += 11
        with pytest.raises(OutOfTimeError, match=r"0\.0 s are left"):
            check_time()
    check_time()


def test_keep_pace_stops_before_the_part_that_would_be_late_when_parts_take_long(clock: list[float]) -> None:
    """With 10 s, parts of 1, 4 and 3 s: after them 1.8 s are left, and a fourth may take 4."""
    parts = keep_pace([1, 4, 3, 1])
    with due_in(10):
        for seconds in (1, 4, 3):
            assert next(parts) == seconds
            clock[0] += seconds
        with pytest.raises(OutOfTimeError):
            next(parts)


def test_keep_pace_hands_out_all_parts_when_nothing_is_due(clock: list[float]) -> None:
    """Without a deadline the parts come as they are."""
    assert list(keep_pace("abc")) == ["a", "b", "c"]
