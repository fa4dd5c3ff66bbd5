"""Compare what docs/api.md shows with what the demo's bundle answers now; … stands for anything.

    make demo && .venv/bin/python tests/api_examples.py artifacts/bundle

The status is 1 where an answer is another, after both were printed.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from doc_commands import Command, read_steps
from fresh_python import ROOT
from server_process import serve

PAGE = ROOT / "docs" / "api.md"
ADDRESS = "http://127.0.0.1:8000"
"""What the page asks."""


def main(argv: Sequence[str]) -> int:
    """Ask, compare and print what differs.

    Args:
        argv: the bundle's folder.
    """
    [bundle] = map(Path, argv)
    steps = read_steps(PAGE.read_text(encoding="utf-8"))
    asked = [step for step in steps if isinstance(step, Command) and step.text.startswith("curl ")]
    different = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder), bundle, MODEL_SHOW_USERS="on") as server,
    ):
        for step in asked:
            command = step.text.replace("curl ", "curl --silent --show-error ", 1).replace(
                ADDRESS, server.url
            )
            answer = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
            if not matches(step.answer, answer):
                different += 1
                sys.stdout.write(
                    f"line {step.line}: {step.text}\nshown:  {step.answer}\nis now: {answer}\n\n"
                )
    sys.stdout.write(f"{different} of {len(asked)} answers differ\n")
    return int(different > 0)


def matches(shown: str, answer: str) -> bool:
    """Whether an answer is the one that is shown, line breaks and what `…` leaves out aside."""
    parts = re.sub(r"\s", "", shown).split("…")
    return re.fullmatch(".*".join(map(re.escape, parts)), re.sub(r"\s", "", answer)) is not None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
