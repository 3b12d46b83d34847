"""The command `lift`: says that it is not there yet."""

from __future__ import annotations

import sys


def main() -> None:
    """Refuse with one line and exit code 2."""
    print("lift is not part of this release yet", file=sys.stderr)
    raise SystemExit(2)
