"""Ready for 8 bits: what finished weights must know of the values that they make."""

from __future__ import annotations

import numpy as np

from propagate.segmenters import lite
from propagate.segmenters._lite.int8 import measure_ranges
from propagate.segmenters._lite.network import LiteNetwork
from propagate.training.photos import Photos

PHOTOS = 24
"""That ranges are measured on, always the same of a folder."""


def calibrate(network: LiteNetwork, photos: Photos) -> None:
    """Measure the trunk's ranges on some photos; edits the network."""
    numbers = np.random.default_rng(0).permutation(len(photos))[:PHOTOS]
    area = lite.Config().area
    pictures = (lite.network_input(photos.image(int(number)), area) for number in numbers)
    measure_ranges(network.trunk, pictures)
