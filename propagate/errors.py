"""Every error that the library raises on purpose.

PropagateError
├── InputError            what the user gave cannot be used: exit code 2 on the command line
│   ├── VideoError        a source that does not open or has no frame
│   ├── PromptError       a point, box or mask that does not fit the picture or the track
│   ├── ConfigError       an unknown key or a value of the wrong kind
│   ├── CheckpointError   a weights file that is missing, damaged or made for another network
│   └── SceneError        a camera, view, cloud or scene that cannot be lifted
├── OutputError           results cannot be written: no permission, no space
└── MissingPackageError   an optional package is needed; the message names the pip command

A message is one line: what was wrong, then how to mend it.
"""

from __future__ import annotations


class PropagateError(Exception):
    """Base of all errors raised on purpose by `propagate` and `lifting`."""


class InputError(PropagateError, ValueError):
    """What the user gave cannot be used."""


class VideoError(InputError):
    """A source does not open, is not a video, or holds no frame."""


class PromptError(InputError):
    """A point, box or mask does not fit the picture or the track."""


class ConfigError(InputError):
    """A configuration has an unknown key or a value of the wrong kind."""


class CheckpointError(InputError):
    """A weights file is missing, damaged, unsafe or made for another network."""


class SceneError(InputError):
    """A camera, a view, a cloud or a whole scene cannot be lifted."""


class OutputError(PropagateError, OSError):
    """Results cannot be written."""


class MissingPackageError(PropagateError, ImportError):
    """An optional package is needed for what was asked."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        """Name the package, the extra that brings it, and what it is needed for."""
        super().__init__(
            f"{purpose} needs the package '{package}': pip install 'mask-propagate[{extra}]'"
        )
