"""Finds what the documents ask their reader to type: the commands in their blocks of code.

A block is fenced, or indented by four spaces or more after an empty line. Where lines begin with `$ `, these
are the commands and the others the answers; elsewhere every line that begins as a command would is one.
A fence marked `text` holds none, and one marked with a file's name (`csv mine.csv`) is a file to write.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fresh_python import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_PROGRAM = re.compile(r"(?:[A-Z_]+=\S* )*[a-z][\w.-]*(?: |$)")
_INLINE = re.compile(r"`((?:python (?:-m )?|make )[^`]+)`")
_LINK = re.compile(r"""\]\(([^)\s]+)\)|src="([^"]+)\"""")


@dataclass(frozen=True, slots=True)
class Command:
    """What the reader types."""

    line: int
    """Of the page, the first being 1."""
    text: str
    """On one line."""
    answer: str = ""
    """What the page shows as its answer."""


@dataclass(frozen=True, slots=True)
class File:
    """What the reader writes into a file."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code."""

    line: int
    """Of its first line, in the page."""
    label: str
    """What stands behind an opening fence."""
    lines: tuple[str, ...]


def read_steps(page: str) -> list[Command | File]:
    """The commands and files of a page, in its order.

    Args:
        page: its text, as Markdown.
    """
    steps: list[Command | File] = []
    for block in find_blocks(page):
        language, _, name = block.label.partition(" ")
        if name:
            steps.append(File(name, "\n".join(block.lines) + "\n"))
        elif language in {"", "sh", "console"}:
            steps.extend(_read_commands(block))
        elif language != "text":
            raise AssertionError(f"line {block.line}: nobody runs blocks of {language!r}")
    return steps


def find_blocks(page: str) -> Iterator[Block]:
    """The blocks of code of a page.

    Args:
        page: its text, as Markdown.
    """
    lines = page.splitlines()
    place = 0
    while place < len(lines):
        line = lines[place]
        end = place + 1
        if line.lstrip().startswith("```"):
            while not lines[end].lstrip().startswith("```"):
                end += 1
            yield Block(place + 2, line.strip(" `"), _dedent(lines[place + 1 : end]))
            end += 1
        elif line.startswith("    ") and (place == 0 or not lines[place - 1].strip()):
            while end < len(lines) and lines[end].startswith("    "):
                end += 1
            yield Block(place + 1, "", _dedent(lines[place:end]))
        place = end


def find_inline_commands(page: str) -> list[str]:
    """The commands of Python and make inside sentences.

    Args:
        page: its text, as Markdown.
    """
    return [" ".join(found.split()) for found in _INLINE.findall(page)]


def find_links(page: Path) -> list[str]:
    """Where a page's links and pictures lead to, as written; links to other sites are left out."""
    found = [link or picture for link, picture in _LINK.findall(page.read_text(encoding="utf-8"))]
    return [link for link in found if "://" not in link]


def _read_commands(block: Block) -> Iterator[Command]:
    with_answers = any(line.startswith("$ ") for line in block.lines)
    place = 0
    while place < len(block.lines):
        first, text = place, block.lines[place]
        place += 1
        if not (text.startswith("$ ") if with_answers else _PROGRAM.match(text)):
            continue
        while text.endswith("\\"):
            text = f"{text[:-1].rstrip()} {block.lines[place].lstrip()}"
            place += 1
        answer = place
        while with_answers and answer < len(block.lines) and not block.lines[answer].startswith("$ "):
            answer += 1
        yield Command(block.line + first, text.removeprefix("$ "), "\n".join(block.lines[place:answer]))


def _dedent(lines: list[str]) -> tuple[str, ...]:
    return tuple(textwrap.dedent("\n".join(lines)).split("\n"))
