"""What every command shares: the form of its help, its flags, its complaints and its exit status.

A user's mistake is one clear line on standard error and status 2, never a traceback.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from model.dates import parse_day
from model.errors import RatingModelError
from model.progress import narrating
from model.suggestions import find_nearest, suggest, suggest_path

DISTRIBUTION = "netflix-prize-recommender"
USER_ERROR = 2
INTERRUPTED = 130
BROKEN_PIPE = 141

EXIT_STATUS = (
    "exit status: 0 when all went well, 2 with one line on standard error when something you gave is wrong, "
    "130 after Ctrl-C"
)

_NUMBERS: dict[object, str] = {int: "a whole number", float: "a number"}
_FLAG = re.compile(r"--?[A-Za-z][\w-]*(?:=.*)?", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """An argument parser that teaches by example, complains in one line and guesses what was meant."""

    def __init__(
        self,
        *,
        prog: str,
        description: str,
        epilog: str | None = None,
        examples: Mapping[str, str] | None = None,
    ) -> None:
        """Build a parser with --help and --version.

        Args:
            prog: the command's name, which starts its messages.
            description: what it does; line breaks stay as written.
            epilog: what stands below the flags.
            examples: what each example does, by the arguments after the command's name.
        """
        self.examples = dict(examples or {})
        parts = [epilog or "", _format_examples(prog, self.examples), EXIT_STATUS]
        super().__init__(
            prog=prog,
            description=description.strip(),
            epilog="\n\n".join(part for part in parts if part),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("--version", action=_Version, help="print the version and leave")

    def parse_known_args(  # type: ignore[override]  # the overloads take a namespace of any class
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse; a mistyped flag is named before argparse misses the one that was meant.

        Args:
            args: the arguments; those of the process when None.
            namespace: where to put them; a new one when None.
        """
        given = sys.argv[1:] if args is None else list(args)
        for argument in given[: given.index("--")] if "--" in given else given:
            flag = argument.partition("=")[0]
            if _FLAG.fullmatch(argument) and flag not in self._option_string_actions:
                # the dashes would make any two flags alike
                known = [name.removeprefix("--") for name in self._option_string_actions]
                near = find_nearest(flag.lstrip("-"), known)
                self.error(f"unknown flag {flag}{'' if near is None else f', did you mean --{near}?'}")
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and one line.

        Args:
            message: what is wrong with the arguments.
        """
        self.exit(USER_ERROR, f"{self.prog}: error: {message} (see --help)\n")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Convert a flag's value; what is no number is told without Python's names for them."""
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as error:
            if action.type not in _NUMBERS:
                raise
            raise argparse.ArgumentError(action, f"{arg_string!r} is not {_NUMBERS[action.type]}") from error

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Refuse a value that is none of a flag's choices, with the one it resembles.

        Raises:
            ArgumentError: if it is none of them.
        """
        if isinstance(action.choices, range) and value not in action.choices:
            first, last = action.choices[0], action.choices[-1]
            raise argparse.ArgumentError(action, f"{value} is out of range: expected {first} to {last}")
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(
                action, f"{value!r} is unknown: expected {', '.join(known)}{suggest(str(value), known)}"
            )


def add_output_flags(parser: argparse.ArgumentParser, result: str) -> None:
    """Add what every command that prints a result has: --json and --verbose.

    Args:
        parser: the command's parser.
        result: what it prints, in a word or two.
    """
    parser.add_argument(
        "--json", action="store_true", help=f"print {result} as JSON, and nothing else, on standard output"
    )
    add_verbose_flag(parser)


def add_verbose_flag(parser: argparse.ArgumentParser) -> None:
    """Add --verbose, whose value `run_command` takes."""
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="say on standard error what each step took, and every minute how far a long one is",
    )


def parse_day_flag(text: str) -> int:
    """Read a flag's date, YYYY-MM-DD, as days since 1970-01-01.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    try:
        return parse_day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def print_result(facts: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print what a command found, for machines or for people.

    Args:
        facts: what --json prints, on one line.
        text: the same in words.
        as_json: which of the two.
    """
    print(json.dumps(facts, ensure_ascii=False, allow_nan=False) if as_json else text)  # ruff: ignore[print]


def say_aside(line: str) -> None:
    """Tell something that is not the command's result: on standard error."""
    print(line, file=sys.stderr)  # ruff: ignore[print]


def run_command(command: Callable[[], None], *, prog: str, verbose: bool = False) -> int:
    """Run the body of a command and turn what the user got wrong into an exit status.

    Args:
        command: the body; raises `RatingModelError` for the user's mistakes.
        prog: the command's name, which starts the message.
        verbose: whether each step says what it took.

    Returns:
        0; 2 after one line on standard error for a mistake or an unwritable file; 130 after Ctrl-C; 141
        where nobody reads on, as with `| head`.
    """
    try:
        with narrating(verbose):
            command()
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still unwritten would fail again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (RatingModelError, OSError) as error:
        print(f"{prog}: error: {_describe(error)}", file=sys.stderr)  # ruff: ignore[print] - this is the command's output
        return USER_ERROR
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)  # ruff: ignore[print]
        return INTERRUPTED
    return 0


def _describe(error: Exception) -> str:
    """The message; of the system's own errors the file and the reason, without a number."""
    if isinstance(error, OSError) and error.filename is not None:
        hint = suggest_path(Path(os.fsdecode(error.filename))) if isinstance(error, FileNotFoundError) else ""
        return f"{error.filename}: {error.strerror}{hint}"
    return str(error)


class _Version(argparse.Action):
    """Prints the version of the installed distribution; looked up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # ruff: ignore[builtin-argument-shadowing] - argparse passes it by this name
        super().__init__(option_strings, dest, nargs=0, help=help, default=argparse.SUPPRESS)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib import metadata  # ruff: ignore[import-outside-top-level] - takes 20 ms, which a cold start can do without

        try:
            version = metadata.version(DISTRIBUTION)
        except metadata.PackageNotFoundError:
            version = "(not installed: run from its files)"
        print(f"{DISTRIBUTION} {version}")  # ruff: ignore[print]
        parser.exit()


def _format_examples(prog: str, examples: Mapping[str, str]) -> str:
    """The block of examples, each below what it does."""
    if not examples:
        return ""
    command = f"python {prog}" if prog.endswith(".py") else prog
    lines = [f"  # {meaning}\n  {command} {arguments}".rstrip() for arguments, meaning in examples.items()]
    return "\n".join(["examples:", *lines])
