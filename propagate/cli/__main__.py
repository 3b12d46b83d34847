"""`python -m propagate.cli`: the command line without an installation."""

from __future__ import annotations

from propagate.cli import main

main()
