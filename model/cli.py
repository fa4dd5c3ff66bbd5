"""What every command shares: one clear line on standard error and exit status 2 for a user's mistake."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from model.dates import parse_day
from model.errors import RatingModelError

USER_ERROR = 2
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, without the usage text around it."""

    def __init__(self, *, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and one line.

        Args:
            message: what is wrong with the arguments.
        """
        self.exit(USER_ERROR, f"{self.prog}: error: {message} (see --help)\n")


def parse_day_flag(text: str) -> int:
    """Read a flag's date, YYYY-MM-DD, as days since 1970-01-01.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    try:
        return parse_day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run_command(command: Callable[[], None], *, prog: str) -> int:
    """Run the body of a command and turn what the user got wrong into an exit status.

    Args:
        command: the body; raises `RatingModelError` for the user's mistakes.
        prog: the command's name, which starts the message.

    Returns:
        0; 2 after one line on standard error for a mistake or an unwritable file; 130 after Ctrl-C.
    """
    try:
        command()
    except (RatingModelError, OSError) as error:
        print(f"{prog}: error: {error}", file=sys.stderr)  # ruff: ignore[print] - this is the command's output
        return USER_ERROR
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)  # ruff: ignore[print]
        return INTERRUPTED
    return 0
