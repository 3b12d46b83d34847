"""`python -m lifting.cli`: the command line without an installation."""

from __future__ import annotations

from lifting.cli import main

main()
