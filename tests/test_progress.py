"""Progress: bars on a terminal, lines with --verbose, silence everywhere else."""

import errno
import os
import re
import subprocess
import sys

import pytest
from fresh_python import PATIENCE, ROOT, run_fresh

from model.progress import Step, narrating, track_items, track_rows, track_step

SHOWS_A_STEP = """
import sys, time
from model import progress
progress.DELAY = 0.0
with progress.track_step("scoring", total=6_000, unit="pairs") as step:
    for _ in range(500):  # until the bar is there: in no time on an idle machine
        if progress._display._tasks:
            break
        time.sleep(0.01)
    for _ in range(12):
        step.advance(100)
        time.sleep(0.02)
    if progress._display._bars is not None:
        progress._display._bars.refresh()
    print("a line of output")
    step.advance(300)
"""
NEVER_DRAWN = SHOWS_A_STEP.replace("range(500)", "range(5)")


def run_on_terminal(code: str, *, columns: int = 140) -> tuple[str, str]:
    """What a fresh interpreter writes to standard output, and to the terminal that is its standard error."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": str(columns)},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError as error:
        if error.errno != errno.EIO:  # how a terminal ends whose other side is closed
            raise
    finally:
        os.close(ours)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, shown.decode()
    return output, re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())


def pass_time(step: Step, seconds: float) -> None:
    """Make a step believe that it began, and left its last line, so much earlier."""
    step._started -= seconds
    step._told -= seconds


def test_track_step_shows_count_rate_and_time_left_when_on_a_terminal() -> None:
    """The bar says what is done, of how much, how fast, and how long it will take; then it is wiped away."""
    output, shown = run_on_terminal(SHOWS_A_STEP)
    assert output == "a line of output\n"
    assert re.search(r"scoring .* 20% 1,200 of 6,000 pairs [\d,]+ pairs/s 0:00:0\d left 00:0\d", shown), shown
    assert shown.endswith("\r\x1b[2K\x1b[?25h\r")


def test_track_step_fits_when_the_terminal_is_narrow() -> None:
    """Of a hundred million ratings, in 80 columns: all but the time it has taken."""
    code = SHOWS_A_STEP.replace('"scoring", total=6_000', '"finding repeated ratings", total=100_480_507')
    code = code.replace("pairs", "ratings").replace("advance(100)", "advance(1_674_675)")
    _, shown = run_on_terminal(code, columns=80)
    line = r"finding repeated ratings \S+ +20% 20.1M of 100.5M ratings [\d.]+M/s left 00:\d\d"
    assert (found := re.search(line, shown)), shown
    assert len(found[0]) <= 80


def test_track_step_promises_nothing_when_its_length_is_unknown() -> None:
    """Without a total there is no share and no time left, only what is done and how long it has taken."""
    _, shown = run_on_terminal(SHOWS_A_STEP.replace("total=6_000, ", ""))
    assert re.search(r"scoring \S+ +1,200 pairs [\d,]+ pairs/s 0:00:0\d", shown), shown
    assert "%" not in shown
    assert "left" not in shown


def test_track_step_shows_nothing_when_it_is_over_soon() -> None:
    """A bar that would only flicker is not drawn."""
    output, shown = run_on_terminal(NEVER_DRAWN.replace("DELAY = 0.0", "DELAY = 60.0"))
    assert (output, shown) == ("a line of output\n", "")


def test_track_step_shows_nothing_when_rich_is_not_installed() -> None:
    """A machine that only serves has no rich: the work is done all the same."""
    _, shown = run_on_terminal("import sys\nsys.modules['rich'] = None\n" + NEVER_DRAWN)
    assert not shown


def test_track_step_shows_nothing_when_hushed() -> None:
    """A process whose parent draws on the terminal keeps still."""
    _, shown = run_on_terminal(NEVER_DRAWN.replace("DELAY = 0.0", "DELAY = 0.0; progress.hush()"))
    assert not shown


def test_track_step_restores_the_terminal_when_the_work_fails() -> None:
    """The cursor that the bar hides comes back, and the error is the work's own."""
    code = SHOWS_A_STEP.replace("    step.advance(300)", "    raise SystemExit(0)")
    _, shown = run_on_terminal(code)
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_track_step_is_silent_when_standard_error_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Logs and pipes stay clean."""
    with track_step("scoring", total=2, unit="pairs") as step:
        step.advance(2)
    assert capsys.readouterr() == ("", "")


def test_narrating_leaves_a_line_for_each_step_when_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    """The name, what was done, the time and the rate; on standard error."""
    with narrating(True):
        assert list(track_items(["a", "b", "c"], "reading", unit="files")) == ["a", "b", "c"]
        assert [rows.start for rows in track_rows(3, "counting", at_once=2)] == [0, 2]
        with track_step("sorting"):
            pass
    with track_step("afterwards"):
        pass
    output, told = capsys.readouterr()
    assert not output
    lines = (
        r"reading: 3 files in 0\.\d s \([\d,.]+ files/s\)",
        r"counting: 3 ratings in 0\.\d s \([\d,.]+ ratings/s\)",
        r"sorting: 0\.\d s",
    )
    assert re.fullmatch("".join(f"{line}\n" for line in lines), told)


def test_narrating_tells_how_far_a_long_step_is_when_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A line when a minute has passed, the next one a minute later, and none just before the last."""
    with narrating(True), track_step("sampling", total=80, unit="rounds", done=8) as step:
        step.reach(9, 80)
        assert not capsys.readouterr().err
        pass_time(step, 64.0)
        step.reach(24, 80)
        step.reach(24, 80)
        assert re.fullmatch(
            r"sampling: 24 of 80 rounds in 6\d\.\d s \(0\.25 rounds/s\), 0:03:4\d left\n",
            capsys.readouterr().err,
        )
        pass_time(step, 59.0)
        step.reach(30, 80)
        assert not capsys.readouterr().err
        pass_time(step, 1.0)
        step.reach(40, 80)
        # 40 rounds at 32 in 124 seconds
        assert re.search(r"^sampling: 40 of 80 .* 0:02:3\d left\n", capsys.readouterr().err)
        pass_time(step, 60.0)
        step.reach(80, 80)
        assert not capsys.readouterr().err
    assert re.fullmatch(r"sampling: 80 rounds in 18\d\.\d s \(0\.39 rounds/s\)\n", capsys.readouterr().err)


def test_narrating_promises_nothing_when_the_length_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a total a line says what is done and how fast; without a unit, how long it has taken."""
    for unit, line in (
        ("pairs", r"scoring: 120 pairs in 6\d\.\d s \(2 pairs/s\)\n"),
        ("", r"scoring: 6\d\.\d s\n"),
    ):
        with narrating(True), track_step("scoring", unit=unit) as step:
            pass_time(step, 60.0)
            step.advance(120)
            assert re.fullmatch(line, capsys.readouterr().err)
        capsys.readouterr()


def test_long_step_is_silent_when_nobody_asked_for_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --verbose there is none."""
    with track_step("sampling", total=80, unit="rounds") as step:
        pass_time(step, 300.0)
        step.advance(40)
    assert capsys.readouterr() == ("", "")


def test_long_step_leaves_no_lines_when_a_bar_shows_the_same() -> None:
    """On a terminal the bar tells how far it is, with --verbose too; the last line is the finished step's."""
    code = SHOWS_A_STEP.replace("progress.DELAY = 0.0", "progress.DELAY = progress.LINE_SECONDS = 0.0")
    code = code.replace("with progress.track_step", "with progress.narrating(True), progress.track_step")
    _, shown = run_on_terminal(code)
    assert " pairs in " not in shown.replace("scoring: 1,500 pairs in ", "")


def test_narrating_names_the_whole_only_when_a_step_has_steps(capsys: pytest.CaptureFixture[str]) -> None:
    """What is part of a step is told with it."""
    with narrating(True), track_step("benchmark"), track_step("reading"):
        pass
    assert re.fullmatch(r"benchmark: 0\.\d s\n", capsys.readouterr().err)


def test_narrating_changes_nothing_when_unwanted(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --verbose no line is left."""
    with narrating(False), track_step("reading"):
        pass
    assert capsys.readouterr() == ("", "")


def test_step_counts_towards_a_total_when_it_is_told_one_late() -> None:
    """`reach` sets both; the rate is what is done over the seconds since the start."""
    step = Step("sampling", total=None, unit="rounds")
    step._started -= 4.0
    step.reach(10, 84)
    assert step.describe_count() == "10 of 84 rounds"
    assert step.describe_rate() == "2.5 rounds/s"


def test_go_through_counts_each_row_once_when_two_passes_share_it() -> None:
    """Five rows in blocks of two, twice, each pass worth half."""
    step = Step("sorting", total=5, unit="rows")
    first = list(step.go_through(5, worth=0.5, at_once=2))
    assert first == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert step.describe_count() == "2.5 of 5 rows"
    assert list(step.go_through(5, worth=0.5, at_once=2)) == first
    assert step.describe_count() == "5 of 5 rows"


def test_step_tells_its_own_rate_when_an_earlier_attempt_did_a_part() -> None:
    """12 of 30 MB were there; 6 more in 3 seconds are 2 MB/s. Begun anew there is no rate yet."""
    step = Step("downloading", total=30, unit="MB", done=12)
    step._started -= 3.0
    assert (step.describe_count(), step.describe_rate()) == ("12 of 30 MB", "")
    step.reach(18, 30)
    assert (step.describe_count(), step.describe_rate()) == ("18 of 30 MB", "2 MB/s")
    step.reach(6, 30)
    assert not step.describe_rate()


def test_step_describes_nothing_when_nothing_is_counted() -> None:
    """A step without a unit has no count and no rate."""
    step = Step("sorting", total=None, unit="")
    assert (step.describe_count(), step.describe_rate()) == ("", "")


def test_commands_import_no_rich_when_imported() -> None:
    """What every command shares, and a cold start of the service with it, does not pay for the bars."""
    assert run_fresh("import sys, model.cli\nprint('rich' in sys.modules)").stdout == "False\n"
