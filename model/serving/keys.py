"""Make an API key: `python -m model.serving.keys` prints it once, with the hash that the service is given.

The service never holds a key, only its SHA-256. That needs neither salt nor a slow hash, because a key is 256
random bits and no password.
"""

import hashlib
import secrets
import sys
from collections.abc import Sequence

from model.cli import Parser

KEY_BYTES = 32
"""Random bytes in a key."""


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
    examples = {"": "a new key"}
    Parser(prog="python -m model.serving.keys", description=__doc__ or "", examples=examples).parse_args(argv)
    key = secrets.token_urlsafe(KEY_BYTES)
    print(f"key, for the client:    {key}")
    print(f"hash, for the service:  {hash_key(key.encode()).hex()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
