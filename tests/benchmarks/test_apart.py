"""Processes of their own: what they print, and what is said when they fail."""

import numpy as np
import pytest

from benchmarks.apart import read_peak_memory, run_apart
from model.errors import RatingModelError


def test_run_apart_gives_the_last_line_when_all_went_well() -> None:
    """What is printed before it, and the environment of this process, do not matter."""
    code = "import json, os, sys; print('by the way'); print(json.dumps([sys.argv[1], os.environ['COLOUR']]))"
    assert run_apart(["-c", code, "one"], COLOUR="green") == ["one", "green"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise OSError('no room')", "failed: OSError: no room$"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9; out of memory"),
    ],
)
def test_run_apart_says_why_when_the_process_fails(code: str, said: str) -> None:
    """One line: the error's own, or that somebody ended it."""
    with pytest.raises(RatingModelError, match=said):
        run_apart(["-c", code])


def test_peak_memory_is_the_process_own_when_its_parent_had_more() -> None:
    """What this process held once is in its own peak and not in that of a process that it starts."""
    assert np.ones(30_000_000).sum() == 30_000_000  # 240 MB
    code = "import json; from benchmarks.apart import read_peak_memory; print(json.dumps(read_peak_memory()))"
    assert read_peak_memory() > 240
    assert 5 < run_apart(["-c", code]) < 100
