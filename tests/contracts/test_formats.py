"""Every format of scenes keeps its contract; being in the folder is being tested."""

from __future__ import annotations

import dataclasses

import pytest

from lifting.formats._files import Look
from propagate import plugins
from propagate.errors import ConfigError

KIND = "lifting.formats"
FORMATS = plugins.available(KIND)


@pytest.mark.parametrize("name", FORMATS)
def test_config_is_a_frozen_dataclass_whose_defaults_build(name):
    config = plugins.module(KIND, name).Config
    assert dataclasses.is_dataclass(config) and config.__dataclass_params__.frozen
    assert plugins.build(KIND, name)
    with pytest.raises(ConfigError):
        plugins.build(KIND, name, {"surely_unknown": 1})


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_folder_and_a_stray_file_lack_something(name, tmp_path):
    (tmp_path / "stray.txt").write_text("nothing")
    for path in (tmp_path, tmp_path / "stray.txt", tmp_path / "absent"):
        look = plugins.build(KIND, name).look(path)
        assert isinstance(look, Look)
        assert look.found == () and len(look.missing) >= 1


@pytest.mark.parametrize("name", FORMATS)
def test_the_docstring_says_what_lies_where(name):
    assert len(plugins.module(KIND, name).__doc__.splitlines()) > 5
