"""Make an API key: `python -m model.serving.keys` prints it once, with the hash that the service is given.

The service never holds a key, only its SHA-256. That needs neither salt nor a slow hash, because a key is 256
random bits and no password.
"""

import hashlib
import secrets
import sys
from collections.abc import Sequence

from model.cli import Parser, add_output_flags, print_result, run_command
from model.progress import track_step

KEY_BYTES = 32
"""Random bytes in a key."""

PROG = "python -m model.serving.keys"
EXAMPLES = {"": "a new key", "--json": "the same as JSON, for a program that keeps both"}


def hash_key(key: bytes) -> bytes:
    """The SHA-256 of a key, 32 bytes."""
    return hashlib.sha256(key).digest()


def main(argv: Sequence[str] | None = None) -> int:
    """Print a new key and its hash.

    Args:
        argv: the arguments, without the command's name; those of the process when None.

    Returns:
        The exit status.
    """
    parser = Parser(prog=PROG, description=__doc__ or "", examples=EXAMPLES)
    add_output_flags(parser, "the key and its hash")
    arguments = parser.parse_args(argv)

    def make_key() -> None:
        with track_step("making a key"):
            key = secrets.token_urlsafe(KEY_BYTES)
            digest = hash_key(key.encode()).hex()
        print_result(
            {"key": key, "hash": digest},
            f"key, for the client:    {key}\nhash, for the service:  {digest}",
            as_json=arguments.json,
        )

    return run_command(make_key, prog=PROG, verbose=arguments.verbose)


if __name__ == "__main__":
    sys.exit(main())
