"""One clear line and exit status 2 for a user's mistake."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fresh_python import PATIENCE, ROOT

from model.cli import (
    BROKEN_PIPE,
    DISTRIBUTION,
    EXIT_STATUS,
    INTERRUPTED,
    USER_ERROR,
    Parser,
    print_result,
    run_command,
)
from model.errors import ArtifactMissingError, ConfigError, DataError, PredictionError
from model.progress import track_step


def test_run_command_returns_zero_and_says_nothing_when_all_goes_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The body runs once; no output is added to its own."""
    calls = []
    assert run_command(lambda: calls.append("called"), prog="train.py") == 0
    assert calls == ["called"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "error",
    [
        DataError("ratings.csv, line 7: rating 9 is off the scale"),
        ConfigError("epochs is 0"),
        ArtifactMissingError("artifacts/run is missing"),
        PredictionError("no prediction"),
        PermissionError("cannot write"),
    ],
)
def test_run_command_writes_one_line_and_returns_two_when_user_is_wrong(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line starts with the command's name and holds the message; standard output stays empty."""

    def fail() -> None:
        raise error

    assert run_command(fail, prog="train.py") == USER_ERROR == 2
    assert capsys.readouterr() == ("", f"train.py: error: {error}\n")


def test_run_command_names_the_file_when_the_system_refuses_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is not there is the user's mistake too."""
    missing = tmp_path / "nowhere" / "out.csv"

    def write() -> None:
        missing.write_text("", encoding="utf-8")

    assert run_command(write, prog="sampling") == 2
    assert capsys.readouterr().err == f"sampling: error: {missing}: No such file or directory\n"


def test_run_command_names_the_file_that_was_meant_when_it_is_mistyped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it would have to be typed, with its folder."""
    monkeypatch.chdir(tmp_path)
    Path("examples").mkdir()
    Path("examples/predict-event.json").touch()

    def read() -> None:
        Path("examples/predict-evnt.json").read_text(encoding="utf-8")

    assert run_command(read, prog="it") == 2
    assert capsys.readouterr().err == (
        "it: error: examples/predict-evnt.json: No such file or directory, "
        "did you mean examples/predict-event.json?\n"
    )


def test_run_command_returns_130_when_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C is no traceback."""

    def wait() -> None:
        raise KeyboardInterrupt

    assert run_command(wait, prog="train.py") == INTERRUPTED == 130
    assert capsys.readouterr() == ("", "train.py: interrupted\n")


def test_run_command_lets_errors_of_the_program_through() -> None:
    """A bug is no user's mistake: it keeps its traceback."""

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(fail, prog="train.py")


@pytest.mark.parametrize(
    ("arguments", "named"), [(["--nonsense"], "--nonsense"), (["--dat", "x"], "--dat"), ([], "--data")]
)
def test_parser_exits_with_two_and_one_line_when_arguments_are_wrong(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown, abbreviated and missing flags: one line, without the usage text, that points to --help."""
    parser = Parser(prog="score", description="Score pairs.")
    parser.add_argument("--data", required=named == "--data")
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(arguments)
    assert caught.value.code == 2
    output, complaint = capsys.readouterr()
    assert not output
    assert complaint.startswith("score: error: ")
    assert complaint.endswith("(see --help)\n")
    assert complaint.count("\n") == 1
    assert named in complaint


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--dta", "x", "--colour", "red"], "unknown flag --dta, did you mean --data?"),
        (["--dta=x", "--colour", "red"], "unknown flag --dta, did you mean --data?"),
        (["--colour", "red", "--zzz"], "unknown flag --zzz"),
        (["-x", "--colour", "red"], "unknown flag -x"),
        (["--model", "--colour", "red"], "unknown flag --model"),
        (
            ["--data", "x", "--colour", "gren"],
            "argument --colour: 'gren' is unknown: expected red, green, did you mean green?",
        ),
        (["--colour", "1"], "argument --colour: '1' is unknown: expected red, green"),
        (["--colour", "red", "more"], "unrecognized arguments: more"),
    ],
)
def test_parser_guesses_what_was_meant_when_a_name_is_mistyped(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The nearest flag or choice is named, if one is near; a mistyped required flag is not called missing."""
    parser = Parser(prog="paint", description="Paint.")
    parser.add_argument("--data")
    parser.add_argument("--colour", choices=("red", "green"), required=True)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(arguments)
    assert capsys.readouterr().err == f"paint: error: {complaint} (see --help)\n"


@pytest.mark.parametrize("value", ["-5", "-0.5", "a-b", "-"])
def test_parser_takes_a_value_for_a_value_when_it_has_a_dash(value: str) -> None:
    """Negative numbers and dashes within words are no flags; neither is what follows a bare `--`."""
    parser = Parser(prog="paint", description="Paint.")
    parser.add_argument("--shift")
    parser.add_argument("rest", nargs="*")
    flags = parser.parse_args(["--shift", value, "--", "--colour"])
    assert (flags.shift, flags.rest) == (value, ["--colour"])


def test_parser_ends_its_help_with_examples_and_exit_status_when_it_has_examples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each example stands below what it does, as it is typed."""
    parser = Parser(prog="train.py", description="Train.", examples={"": "as it is", "--epochs 3": "briefly"})
    with pytest.raises(SystemExit, match="0"):
        parser.parse_args(["--help"])
    examples = "examples:\n  # as it is\n  python train.py\n  # briefly\n  python train.py --epochs 3\n\n"
    assert f"{examples}{EXIT_STATUS}\n" in capsys.readouterr().out


def test_parser_prints_the_distributions_version_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is that of the installed distribution."""
    with pytest.raises(SystemExit, match="0"):
        Parser(prog="train.py", description="Train.").parse_args(["--version"])
    assert capsys.readouterr().out == f"{DISTRIBUTION} {importlib.metadata.version(DISTRIBUTION)}\n"


def test_parser_prints_a_version_when_run_from_its_files_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The image holds the files and no distribution: that is no error."""
    monkeypatch.setattr("model.cli.DISTRIBUTION", "not-a-distribution")
    with pytest.raises(SystemExit, match="0"):
        Parser(prog="train.py", description="Train.").parse_args(["--version"])
    assert "not installed" in capsys.readouterr().out


def test_print_result_prints_either_form_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Machines get one line of JSON, people the text."""
    print_result({"title": "Amélie", "n": 2}, "two of Amélie", as_json=True)
    print_result({"title": "Amélie", "n": 2}, "two of Amélie", as_json=False)
    assert capsys.readouterr().out == '{"title": "Amélie", "n": 2}\ntwo of Amélie\n'


def test_run_command_tells_each_step_when_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    """The steps are told on standard error, and only for this command."""

    def work() -> None:
        with track_step("working"):
            pass

    assert run_command(work, prog="train.py", verbose=True) == run_command(work, prog="train.py") == 0
    assert re.fullmatch(r"working: 0\.\d s\n", capsys.readouterr().err)


def test_run_command_ends_quietly_when_nobody_reads_on() -> None:
    """`command | head -1` is no mistake: no message, and the shell's own status for it."""
    code = (
        "import sys; from model.cli import run_command\n"
        "def work():\n    for _ in range(100_000): print('a line')\n"
        "sys.exit(run_command(work, prog='list'))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "a line\n"
    process.stdout.close()
    assert process.stderr is not None
    assert not process.stderr.read()
    process.stderr.close()
    assert process.wait(PATIENCE) == BROKEN_PIPE == 141


def test_parser_prints_description_and_epilog_when_asked_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--help exits with 0; line breaks stay as written."""
    parser = Parser(prog="score", description="Score pairs.", epilog="first line\nsecond line")
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--help"])
    assert caught.value.code == 0
    output = capsys.readouterr().out
    assert "Score pairs." in output
    assert "first line\nsecond line" in output
