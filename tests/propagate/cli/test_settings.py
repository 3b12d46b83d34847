"""Presets, overrides, and parts that are replaced."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from propagate import plugins
from propagate.cli.settings import KINDS, Choice, resolved, summary
from propagate.config import load, presets
from propagate.errors import ConfigError
from propagate.tracker import Config

ROOT = Path(__file__).resolve().parents[3]


def from_code():
    """Every default as the code has it, as plain values."""
    plain = dataclasses.asdict(Config())
    for part, kind in KINDS.items():
        name = plain[part]["name"]
        options = plugins.module(kind, name).Config()
        plain[part] = {"name": name, **dataclasses.asdict(options)}
    return json.loads(json.dumps(plain))  # a tuple is a list in YAML


def test_default_yaml_says_what_the_code_says():
    assert yaml.safe_load((ROOT / "configs" / "default.yaml").read_text()) == from_code()


@pytest.mark.parametrize("name", presets())
def test_presets_can_be_used_and_change_something(name):
    plain = summary(resolved(Choice(config=name)))
    assert (plain == from_code()) == (name == "default")


def test_overrides_come_on_top():
    config = resolved(Choice(overrides=["segmenter.area=4096", "selection.patience=3"]))
    assert config.segmenter["area"] == 4096
    assert config.selection.patience == 3


def test_a_part_that_is_replaced_leaves_its_options_behind():
    config = resolved(Choice(segmenter="colour", overrides=["segmenter.long_side=64"]))
    assert config.segmenter["long_side"] == 64
    assert "area" not in config.segmenter
    same = resolved(Choice(overrides=["segmenter.name=colour", "segmenter.long_side=64"]))
    assert same == config


def test_naming_the_same_part_keeps_its_options():
    assert resolved(Choice(config="fast", segmenter="lite")) == resolved(Choice(config="fast"))


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("selection: {patience: 4}\n")
    assert resolved(Choice(config=str(path))).selection.patience == 4
    assert load(path) == {"selection": {"patience": 4}}


def test_a_device_goes_where_there_is_a_choice(tmp_path):
    assert resolved(Choice(device="cpu")).segmenter["device"] == "cpu"
    assert "device" not in resolved(Choice(segmenter="colour", device="cpu")).segmenter
    with pytest.raises(ConfigError, match="CPU only"):
        resolved(Choice(segmenter="colour", device="cuda"))
    with pytest.raises(ConfigError, match="must be one of auto, cpu, cuda"):
        resolved(Choice(device="tpu"))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(config="defualt"), "did you mean 'default'"),
        (Choice(overrides=["segmenter.aera=3"]), "did you mean 'area'"),
        (Choice(overrides=["segmentor.name=lite"]), "did you mean 'segmenter'"),
        (Choice(overrides=["segmenter.area=large"]), "segmenter.area must be a whole number"),
        (Choice(overrides=["segmenter"]), "key=value"),
        (Choice(segmenter="lit"), "no segmenter named 'lit'; did you mean 'lite'"),
        (Choice(overrides=["memory.name=elephant"]), "no memory named 'elephant'"),
        (Choice(segmenter="colour", checkpoint=Path("x.pt")), "segmenter.checkpoint"),
    ],
)
def test_what_is_not_known(choice, message):
    with pytest.raises(ConfigError, match=message):
        resolved(choice)


def test_weights_are_told_apart_by_what_is_in_them(tmp_path):
    path = tmp_path / "it's @2.safetensors"
    said = []
    for content in (b"one", b"two", b"one"):
        path.write_bytes(content)
        said.append(summary(resolved(Choice(checkpoint=path))))
    assert said[0]["segmenter"]["checkpoint"] == str(path)
    assert said[0] == said[2] != said[1]
