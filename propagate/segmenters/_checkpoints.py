"""Published weights: what they are called, where they lie, how they are checked and read.

A file is taken from where the user says, else from the cache, else it is downloaded to a temporary
name, compared with its known SHA-256 and renamed. Only tensors are ever read: a pickle that
carries code is refused by torch's restricted unpickler.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from propagate.errors import CheckpointError, OutputError

_BLOCK = 2**20


@dataclass(frozen=True)
class Published:
    """A file of weights.

    Attributes:
        file: its name.
        url: where its authors put it.
        size: bytes.
        sha256: of the file.
        licence: under which it may be used.
    """

    file: str
    url: str
    size: int
    sha256: str
    licence: str


_META = "https://dl.fbaipublicfiles.com/segment_anything"
PUBLISHED: Mapping[str, Published] = {
    "sam-vit-b": Published(
        "sam_vit_b_01ec64.pth",
        f"{_META}/sam_vit_b_01ec64.pth",
        375_042_383,
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        "Apache-2.0",
    ),
    "sam-vit-l": Published(
        "sam_vit_l_0b3195.pth",
        f"{_META}/sam_vit_l_0b3195.pth",
        1_249_524_607,
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        "Apache-2.0",
    ),
    "sam-vit-h": Published(
        "sam_vit_h_4b8939.pth",
        f"{_META}/sam_vit_h_4b8939.pth",
        2_564_550_879,
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        "Apache-2.0",
    ),
    "mobile-sam": Published(
        "mobile_sam.pt",
        "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
        40_728_226,
        "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        "Apache-2.0",
    ),
}
"""Segmenter → its published weights."""


def cache_folder() -> Path:
    """Where downloads are kept: PROPAGATE_CACHE, else the user's cache folder."""
    own = os.environ.get("PROPAGATE_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(own) if own else base / "mask-propagate"


def find(name: str, given: Path | None, advance: Callable[[int, int], None] | None = None) -> Path:
    """The file with the weights of segmenter `name`.

    Args:
        name: a key of `PUBLISHED`.
        given: the user's own file, or None.
        advance: told bytes so far and bytes in all while a file is downloaded.

    Raises:
        CheckpointError: `given` does not exist, or there is no file and none can be had.
        OutputError: a download cannot be written.
    """
    if given is not None:
        if not given.is_file():
            raise CheckpointError(f"no weights at {given}; check --checkpoint")
        return given
    published = PUBLISHED[name]
    kept = cache_folder() / published.file
    if not kept.is_file():
        _download(published, kept, advance)
    return kept


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, .safetensors or PyTorch's format, as float32 where floating.

    Raises:
        CheckpointError: damaged, carrying code, or not a flat collection of tensors.
    """
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of pickles that it then refuses
                state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than tensors (it could run code) or is no checkpoint; refused, "
            "download it again from its authors"
        ) from error
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise CheckpointError(f"{path} is damaged or cut short; download it again") from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise CheckpointError(
            f"{path} is not a state dict of tensors; export one with torch.save(model.state_dict())"
        )
    return {
        key: value.float() if value.is_floating_point() else value for key, value in state.items()
    }


def check(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    """CheckpointError unless keys and shapes are those wanted and every number is finite."""
    missing = sorted(set(wanted) - set(state))
    unexpected = sorted(set(state) - set(wanted))
    shaped = sorted(k for k in wanted if k in state and wanted[k].shape != state[k].shape)
    if missing or unexpected or shaped:
        raise CheckpointError(
            f"{path} was made for another network: missing {_some(missing)}, "
            f"unexpected {_some(unexpected)}, of another shape {_some(shaped)}; "
            "choose the segmenter that these weights belong to"
        )
    if not all(torch.isfinite(value).all() for value in state.values()):
        raise CheckpointError(f"{path} holds NaN or infinity; it is damaged, download it again")


def _some(names: list[str]) -> str:
    return f"{len(names)}" + (f" ({', '.join(names[:3])}, …)" if names else "")


def _download(
    published: Published, target: Path, advance: Callable[[int, int], None] | None
) -> None:
    """Fetch to a temporary name in the same folder, verify, rename; never if PROPAGATE_OFFLINE."""
    mend = f"fetch {published.url} yourself and put it at {target}, or give it with --checkpoint"
    if os.environ.get("PROPAGATE_OFFLINE"):
        raise CheckpointError(
            f"the weights {published.file} are not here, and PROPAGATE_OFFLINE is set; {mend}"
        )
    part = target.with_name(f"{target.name}.part.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = _fetch(published, part, advance)
        if digest != published.sha256:
            raise CheckpointError(f"{published.url} gave another file than expected; {mend}")
        part.replace(target)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise CheckpointError(
            f"the weights {published.file} are not here and cannot be downloaded ({reason}); {mend}"
        ) from error
    except CheckpointError:
        raise
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror}); {mend}") from error
    finally:
        part.unlink(missing_ok=True)


def _fetch(published: Published, part: Path, advance: Callable[[int, int], None] | None) -> str:
    """Write what the address gives, as far as its size may be; its SHA-256."""
    digest, count = hashlib.sha256(), 0
    with urllib.request.urlopen(published.url, timeout=30) as answer, part.open("wb") as file:
        while count <= published.size and (block := answer.read(_BLOCK)):
            file.write(block)
            digest.update(block)
            count += len(block)
            if advance is not None:
                advance(count, published.size)
    return digest.hexdigest()
