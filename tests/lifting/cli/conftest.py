"""A scene with exact masks on disk, and commands run in this process or in one of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from lifting.cli import main
from tests.lifting.analytic import Scene, around
from tests.lifting.formats.writers import as_sevenscenes, write_labels

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
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def command(capsys, monkeypatch):
    """Run `lift ...` in this process."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back what `main` sets

    def run(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return Done(stopped.value.code, out, err)

    return run


@pytest.fixture
def start():
    """Start `lift ...` in a process of its own; `before` is code that runs first there."""
    processes = []

    def begin(*words, before=""):
        code = f"{before}\nfrom lifting.cli import main\nmain({[str(word) for word in words]!r})"
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", code],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def shown():
    """Twelve exact views of 160 x 120."""
    scene = Scene()
    return [scene.look(camera) for camera in around(12, (120, 160))]


@pytest.fixture(scope="session")
def room(shown, tmp_path_factory):
    """The views as a folder of 7-Scenes; not to be changed."""
    return as_sevenscenes(tmp_path_factory.mktemp("room"), shown)


@pytest.fixture(scope="session")
def masks(shown, tmp_path_factory):
    """Their exact masks, by name."""
    folder = tmp_path_factory.mktemp("masks")
    for number, view in enumerate(shown):
        write_labels(folder / f"frame-{number:06d}.color.png", view.labels)
    return folder
