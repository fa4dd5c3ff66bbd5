"""`python handler.py EVENT`, but for the bundle: its help, its examples, its answers and its complaints."""

import json
import logging
import shlex
from pathlib import Path
from typing import Any

import pytest
from fresh_python import ROOT

from model.errors import DataError
from model.serving.event_file import answer_file, parse_arguments, run_event_file


def echo(event: object, context: object) -> dict[str, Any]:
    """Answers with what it was asked."""
    return {"event": event, "context": context}


def read_help(capsys: pytest.CaptureFixture[str]) -> str:
    """What `--help` prints."""
    with pytest.raises(SystemExit, match="0"):
        parse_arguments(["--help"])
    return capsys.readouterr().out


def test_examples_of_help_are_answered_when_run_in_the_repository(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their events are there, the README's own among them; -v tells aside how long the answer took."""
    monkeypatch.chdir(ROOT)
    level = logging.getLogger("model").level
    block = read_help(capsys).split("\nexamples:\n")[1].split("\n\n")[0]
    examples = [line.strip() for line in block.splitlines() if not line.startswith("  # ")]
    assert examples[0] == "python handler.py examples/predict-event.json"
    for example in examples:
        arguments = parse_arguments(shlex.split(example.removeprefix("python handler.py")))
        assert run_event_file(arguments, echo) == 0
        output, told = capsys.readouterr()
        assert json.loads(output) == {"event": json.loads(arguments.event.read_text()), "context": None}
        assert ("answering: " in told) == ("-v" in example)
        assert logging.getLogger("model").level == level


def test_help_speaks_the_language_of_all_commands_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """--verbose and the exit statuses; no --json, since the answer is JSON anyway."""
    text = " ".join(read_help(capsys).split())
    assert "-v, --verbose say on standard error what each step took" in text
    assert "exit status: 0 when all went well, 2 with one line on standard error" in text
    assert "--json" not in text


def test_command_names_the_event_that_was_meant_when_it_is_mistyped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, status 2."""
    monkeypatch.chdir(ROOT)
    assert run_event_file(parse_arguments(["examples/predict-evnt.json"]), echo) == 2
    assert capsys.readouterr().err == (
        "handler.py: error: examples/predict-evnt.json: No such file or directory, "
        "did you mean examples/predict-event.json?\n"
    )


def test_command_names_the_flag_that_was_meant_when_it_is_mistyped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, status 2."""
    with pytest.raises(SystemExit, match="2"):
        parse_arguments(["--verbos", "examples/predict-event.json"])
    assert capsys.readouterr().err == (
        "handler.py: error: unknown flag --verbos, did you mean --verbose? (see --help)\n"
    )


@pytest.mark.parametrize("content", [b"{", b"\xff"])
def test_answer_file_names_the_file_when_it_is_not_json(tmp_path: Path, content: bytes) -> None:
    """A file that does not parse, or is not text, is the user's mistake and named."""
    (tmp_path / "event.json").write_bytes(content)
    with pytest.raises(DataError, match=r"event\.json is not JSON"):
        answer_file(tmp_path / "event.json", echo)
