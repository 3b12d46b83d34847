"""The commands."""

from __future__ import annotations

from propagate.cli.auto import auto
from propagate.cli.correct import correct
from propagate.cli.demo import demo
from propagate.cli.evaluate import evaluate
from propagate.cli.export_onnx import export_onnx
from propagate.cli.models import models
from propagate.cli.review import review
from propagate.cli.segment import segment
from propagate.cli.stress import stress
from propagate.cli.track import track
from propagate.cli.train_lite import train_lite
from propagate.console.application import application

app = application("propagate", "Promptable masks for every frame of a video, on a plain CPU.")

app.command()(track)
app.command()(correct)
app.command()(review)
app.command()(segment)
app.command()(auto)
app.command("eval")(evaluate)
app.command()(models)
app.command()(demo)
app.command()(stress)
app.command("train-lite")(train_lite)
app.command("export-onnx")(export_onnx)
