"""A small clip with exact masks, and commands run in this process or in one of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from propagate.cli import main
from propagate.export._mp4 import write_mp4
from propagate.testing import moving_shapes

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, stdout and stderr."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _no_tracebacks(monkeypatch):
    monkeypatch.delenv("PROPAGATE_DEBUG", raising=False)


@pytest.fixture
def command(capsys, monkeypatch):
    """Run `propagate ...` in this process."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back what `main` sets

    def run(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return Done(stopped.value.code, out, err)

    return run


def _start(*words, before=""):
    """Start `propagate ...` in a process of its own; `before` is code that runs first there."""
    code = f"{before}\nfrom propagate.cli import main\nmain({[str(word) for word in words]!r})"
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    environment.pop("PROPAGATE_DEBUG", None)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def start():
    """Start a command in a process of its own, see `_start`; none outlives the test."""
    processes = []

    def begin(*words, before=""):
        processes.append(_start(*words, before=before))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def quick():
    """Options that make a tracker without weights, fast on small pictures."""
    return ("--segmenter", "colour", "--set", "segmenter.long_side=96")


@pytest.fixture(scope="session")
def shapes():
    """Two objects apart from each other, 24 frames of 64 x 96."""
    return moving_shapes(2, 24, (64, 96))


@pytest.fixture(scope="session")
def folder(shapes, tmp_path_factory):
    """The clip as a folder of PNGs with names of their own."""
    path = tmp_path_factory.mktemp("clip")
    for index, image in enumerate(shapes.images):
        cv2.imwrite(str(path / f"take_{index + 1001}.png"), image[:, :, ::-1])
    return path


@pytest.fixture(scope="session")
def film(shapes, tmp_path_factory):
    """The clip as a video file."""
    path = tmp_path_factory.mktemp("film") / "clip.mp4"
    write_mp4(path, shapes.frames(), 25)
    return path


@pytest.fixture(scope="session")
def mask(shapes, write_labels, tmp_path_factory):
    """A grey PNG with both objects in frame 0."""
    path = tmp_path_factory.mktemp("masks") / "first.png"
    return write_labels(path, shapes.result(0).label_map())


@pytest.fixture(scope="session")
def write_labels():
    """Write ids (H, W) as a grey PNG, 8 bits where they fit, else 16."""

    def write(path, labels):
        kind = np.uint8 if labels.max() < 256 else np.uint16
        assert cv2.imwrite(str(path), labels.astype(kind))
        return path

    return write


@pytest.fixture(scope="session")
def contents():
    """Name → bytes of every file below a folder; without what a run says of its time."""

    def read(path):
        return {
            str(file.relative_to(path)): file.read_bytes()
            for file in sorted(path.rglob("*"))
            if file.is_file() and file.name != "run.json"
        }

    return read
