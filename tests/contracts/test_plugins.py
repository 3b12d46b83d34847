"""Every plugin keeps its contract; being in the folder is being tested."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from propagate import plugins
from propagate.config import dump, from_mapping
from propagate.errors import CheckpointError, ConfigError
from propagate.testing import check_memory, check_motion, check_segmenter

KINDS = ("propagate.segmenters", "propagate.motion", "propagate.memory")
PLUGINS = [(kind, name) for kind in KINDS for name in plugins.available(kind)]


def build(kind, name):
    try:
        return plugins.build(kind, name)
    except CheckpointError as error:
        pytest.skip(f"{name} needs a checkpoint: {error}")


@pytest.mark.parametrize("name", plugins.available("propagate.segmenters"))
def test_segmenter(name):
    check_segmenter(build("propagate.segmenters", name))


@pytest.mark.parametrize("name", plugins.available("propagate.motion"))
def test_motion(name):
    check_motion(build("propagate.motion", name))


@pytest.mark.parametrize("name", plugins.available("propagate.memory"))
def test_memory(name):
    check_memory(build("propagate.memory", name), build("propagate.segmenters", "colour"))


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_settings_are_frozen_and_survive_yaml(kind, name):
    module = plugins.module(kind, name)
    config = module.Config()
    assert dataclasses.is_dataclass(config) and config.__dataclass_params__.frozen
    assert from_mapping(module.Config, yaml.safe_load(dump(config)) or {}) == config
    with pytest.raises(ConfigError, match="no_such_setting"):
        plugins.build(kind, name, {"no_such_setting": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_plugin_is_named_with_the_known_ones(kind):
    with pytest.raises(ConfigError, match="there are"):
        plugins.build(kind, "no_such_plugin")
