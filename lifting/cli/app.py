"""The commands."""

from __future__ import annotations

from lifting.cli.auto import auto
from lifting.cli.info import info
from lifting.cli.run import run
from lifting.cli.view import view
from propagate.console.application import application

app = application("lift", "Masks of many views, lifted into one labelled 3D point cloud.")

app.command()(run)
app.command()(auto)
app.command()(info)
app.command()(view)
