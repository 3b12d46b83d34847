"""A file in a plugin folder is a plugin: `available(kind)` lists them, `build(...)` makes one.

A plugin module has a frozen dataclass `Config` and `build(config) -> object`. Nothing is
registered, and nothing is imported before it is asked for.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from propagate.config import from_mapping, nearest
from propagate.errors import ConfigError


def available(kind: str) -> tuple[str, ...]:
    """The names of the plugins in the package `kind`, for example "propagate.motion"; sorted."""
    package = importlib.import_module(kind)
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name for name in names if not name.startswith("_")))


def settings(kind: str, name: str) -> tuple[str, ...]:
    """The names of the settings of plugin `name` of package `kind`, as its Config lists them.

    Raises:
        ConfigError: no such plugin.
    """
    return tuple(field.name for field in dataclasses.fields(_module(kind, name).Config))


def build(kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Make the plugin `name` of package `kind` with `options` for its Config.

    Raises:
        ConfigError: no such plugin, an unknown option, or a value of the wrong kind; the message
            names the nearest known one.
    """
    module = _module(kind, name)
    return module.build(from_mapping(module.Config, options or {}, where=name))


def _module(kind: str, name: str) -> ModuleType:
    names = available(kind)
    if name not in names:
        what = kind.rpartition(".")[2]
        raise ConfigError(
            f"no {what} named {name!r}{nearest(name, names)}; there are: {', '.join(names)}"
        )
    return importlib.import_module(f"{kind}.{name}")
