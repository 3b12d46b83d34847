"""What every exporter keeps: being in the folder is being tested."""

from __future__ import annotations

import dataclasses
import importlib

import pytest
import yaml

from propagate import plugins
from propagate.config import dump, from_mapping
from propagate.errors import ConfigError
from propagate.export import Run
from propagate.testing import moving_shapes

NAMES = plugins.available("propagate.export")
VIDEO = moving_shapes(2, 6, (48, 64), "leaving")


def write(name, folder, first, last, *, close):
    run = Run(list(VIDEO.frames()), 25.0, (1, 2), first)
    writer = plugins.build("propagate.export", name).open(folder, run)
    for frame in list(VIDEO.frames())[first:last]:
        writer.write(frame, VIDEO.result(frame.index))
    if close:
        writer.close()


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_exporters_that_the_command_line_names_are_there():
    assert set(NAMES) >= {"overlay", "png", "rle", "tracks"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("done", [0, 1, 4, 6])
def test_a_killed_and_resumed_run_leaves_the_same_files(tmp_path, name, done):
    write(name, tmp_path / "whole", 0, 6, close=True)
    write(name, tmp_path / "cut", 0, min(6, done + 1), close=False)
    write(name, tmp_path / "cut", done, 6, close=True)
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


@pytest.mark.parametrize("name", NAMES)
def test_resuming_a_run_that_was_done_changes_nothing(tmp_path, name):
    write(name, tmp_path, 0, 6, close=True)
    before = content(tmp_path)
    write(name, tmp_path, 6, 6, close=True)
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_frozen_and_survive_yaml(name):
    module = importlib.import_module(f"propagate.export.{name}")
    config = module.Config()
    assert dataclasses.is_dataclass(config) and config.__dataclass_params__.frozen
    assert from_mapping(module.Config, yaml.safe_load(dump(config)) or {}) == config
    with pytest.raises(ConfigError, match="no_such_setting"):
        plugins.build("propagate.export", name, {"no_such_setting": 1})
