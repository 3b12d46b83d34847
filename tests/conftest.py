"""What every test shares: where the data lies, seeds, and one thread for torch."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

os.environ["PROPAGATE_OFFLINE"] = "1"  # no test downloads weights

settings.register_profile("suite", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("suite")


def pytest_collection_modifyitems(config, items):
    """Leave out what is slow, measures, or needs a device, unless `-m` asks for it."""
    if config.option.markexpr:
        return
    skip = {
        name: pytest.mark.skip(reason=f"{name}: run it with -m {name}")
        for name in ("gpu", "slow", "bench")
    }
    for item in items:
        for name, mark in skip.items():
            if name in item.keywords:
                item.add_marker(mark)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared data beside the checkout; skips the test where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data folder (../shared/data) is not on this machine")
    return folder


@pytest.fixture(autouse=True)
def _deterministic():
    """The same random numbers in every test, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(1)
