"""What the Dockerfile says: the one list of what is served, read by the zip builder and by the tests."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.errors import DataError

PINS = "constraints/serve.txt"
BUNDLE = "artifacts/bundle"


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction: its word and the rest of the line, continuation lines joined."""

    word: str
    rest: str


def read_steps(dockerfile: Path) -> list[Step]:
    """Read the instructions in order, without comments."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [Step(*line.split(maxsplit=1)) for line in lines if line.strip()]


def list_copied(steps: Sequence[Step]) -> list[str]:
    """Every source that a COPY step names, in order."""
    return [source for step in steps if step.word == "COPY" for source in step.rest.split()[:-1]]


def find_python_version(steps: Sequence[Step]) -> str:
    """The Python of the base image, such as "3.13".

    Raises:
        DataError: if the image does not start from AWS's own for Python.
    """
    [base] = [step.rest for step in steps if step.word == "FROM"]
    if found := re.fullmatch(r"public\.ecr\.aws/lambda/python:(3\.\d+)", base):
        return found[1]
    raise DataError(f"the Dockerfile starts from {base}: expected public.ecr.aws/lambda/python:3.N")
