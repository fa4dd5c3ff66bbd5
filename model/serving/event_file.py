"""Answer one Lambda event as the function would: what `python handler.py EVENT` does.

The answer is one line of JSON on standard output. The environment says which bundle and how, as for the
service: MODEL_BUNDLE is artifacts/bundle by default.
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from model.cli import Parser, add_verbose_flag, run_command
from model.errors import DataError
from model.progress import track_step

PROG = "handler.py"
EXAMPLES = {
    "examples/predict-event.json": "a rating of the demo's bundle, with its explanation",
    "tests/events/api_gateway_http.json -v": "an event as API Gateway sends it, and how long the answer took",
}

Handler = Callable[[object, object], dict[str, Any]]
"""Answers an event, given Lambda's context too."""


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command's arguments: `event`, a path, and `verbose`.

    Args:
        argv: the arguments after the program's name.
    """
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    parser.add_argument("event", type=Path, metavar="EVENT", help="a JSON file: what Lambda would be sent")
    add_verbose_flag(parser)
    return parser.parse_args(argv)


def run_event_file(arguments: argparse.Namespace, handler: Handler) -> int:
    """Run the command.

    Args:
        arguments: what `parse_arguments` returned.
        handler: answers the event.

    Returns:
        The exit status.
    """
    logger = logging.getLogger("model")
    level = logger.level
    logger.setLevel(logging.WARNING)  # the answer alone is what was asked for
    try:
        return run_command(
            lambda: answer_file(arguments.event, handler), prog=PROG, verbose=arguments.verbose
        )
    finally:
        logger.setLevel(level)


def answer_file(path: Path, handler: Handler) -> None:
    """Answer the event in a file and write the answer to standard output, as one line of JSON.

    Args:
        path: a JSON file.
        handler: answers it; is given no context.

    Raises:
        DataError: if the file is not JSON.
    """
    try:
        event = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    with track_step("answering"):
        answer = handler(event, None)
    sys.stdout.write(json.dumps(answer) + "\n")
