"""What is timed: the five real clips with one click each, and whole commands in processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CLICKS = {
    "01_dog.mp4": ("590,445",),
    "02_cups.mp4": ("652,420",),
    "03_blocks.mp4": (
        "535,172", "601,352", "679,355", "437,300", "819,254", "1160,129", "1023,105", "1140,234",
        "968,262", "937,164", "1035,340", "1175,355", "578,503", "722,590", "796,582", "378,429",
    ),
    "05_default_juggle.mp4": ("652,324",),
    "bedroom.mp4": ("410,243",),
}  # fmt: skip


@dataclass(frozen=True)
class Timed:
    """A command that ran: wall seconds, and what run.json says of its stages."""

    wall_s: float
    frames: int
    stages: dict[str, float]

    @property
    def loop_s(self) -> float:
        """Seconds for reading, tracking and writing, without the start of the process."""
        return sum(self.stages[name] for name in ("read_s", "track_s", "write_s"))


def begin(*words: object) -> subprocess.Popen[bytes]:
    """Start `propagate ...`."""
    code = f"from propagate.cli import main; main({[str(word) for word in words]!r})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


@pytest.fixture(scope="session")
def clips(shared_data: Path) -> dict[Path, tuple[str, ...]]:
    """Path of each clip → clicks in its first frame, one an object."""
    return {shared_data / "clips" / name: clicks for name, clicks in CLICKS.items()}


@pytest.fixture
def track(tmp_path):
    """Track some clicked objects of a clip with the whole command; how long it took."""

    def run(clip: Path, clicks: tuple[str, ...], *options: object) -> Timed:
        out = tmp_path / f"{clip.stem}-{len(clicks)}-{len(list(tmp_path.iterdir()))}"
        points = [word for n, xy in enumerate(clicks) for word in ("--point", f"{xy}#{n + 1}")]
        began = time.perf_counter()
        process = begin("track", clip, "--out", out, "--quiet", *points, *options)
        assert process.wait() == 0
        wall = time.perf_counter() - began
        report = json.loads((out / "run.json").read_text())
        return Timed(wall, report["frames"], report["timing"])

    return run


@pytest.fixture(name="begin")
def _begin():
    """Start a command in a process of its own; none outlives the test."""
    processes = []

    def start(*words):
        processes.append(begin(*words))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def show(capsys):
    """Print a table, whatever pytest captures."""

    def table(title: str, rows: list[dict[str, object]]) -> None:
        with capsys.disabled():
            print(f"\n{title}")
            widths = {key: max(len(key), *(len(str(row[key])) for row in rows)) for key in rows[0]}
            print("  ".join(key.rjust(width) for key, width in widths.items()))
            for row in rows:
                print("  ".join(str(row[key]).rjust(width) for key, width in widths.items()))

    return table
