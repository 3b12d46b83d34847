"""SAM with ViT-H: the best of the published ones, 641 million parameters."""

from __future__ import annotations

from propagate.segmenters._sam import segmenter
from propagate.segmenters._sam.segmenter import Config, Sam

__all__ = ["Config", "build"]


def build(config: Config) -> Sam:
    """The segmenter with its weights loaded, see `segmenter.build`."""
    return segmenter.build("sam-vit-h", config)
