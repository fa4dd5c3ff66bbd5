"""One clear line and exit status 2 for a user's mistake."""

from pathlib import Path

import pytest

from model.cli import INTERRUPTED, USER_ERROR, Parser, run_command
from model.errors import ArtifactMissingError, ConfigError, DataError, PredictionError


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
    complaint = capsys.readouterr().err
    assert str(missing) in complaint
    assert complaint.count("\n") == 1


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


def test_parser_prints_description_and_epilog_when_asked_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--help exits with 0; line breaks stay as written."""
    parser = Parser(prog="score", description="Score pairs.", epilog="first line\nsecond line")
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--help"])
    assert caught.value.code == 0
    output = capsys.readouterr().out
    assert "Score pairs." in output
    assert "first line\nsecond line" in output
