"""Ready for 8 bits: what finished weights must know of the values that they make."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from propagate.segmenters import lite
from propagate.segmenters._lite.int8 import measure_ranges
from propagate.segmenters._lite.network import LiteNetwork
from propagate.training.photos import Photos
from propagate.types import ImageArray

PHOTOS = 24
"""That ranges are measured on, always the same of a folder."""


def calibrate(network: LiteNetwork, photos: Photos) -> None:
    """Measure the trunk's ranges on some photos; edits the network."""
    numbers = np.random.default_rng(0).permutation(len(photos))[:PHOTOS]
    measure_ranges(network.trunk, (_input(photos.image(int(number))) for number in numbers))


def _input(image: ImageArray) -> Tensor:
    """A photo (H, W, 3) as the network sees it: (1, 3, h, w) uint8."""
    height, width = lite.input_size((image.shape[0], image.shape[1]), lite.Config().area)
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).permute(2, 0, 1)[None]
