"""Tiny zero-shot detectors with random weights, saved as the published ones are."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="pip install 'mask-propagate[text]'")
pytest.importorskip("PIL", reason="pip install 'mask-propagate[text]'")

GRID = 6
"""Cells along a side of OWL's square; it has a box a cell, which no picture moves."""


def owl(folder: Path) -> Path:
    """OWLv2 with its boxes in a grid; how it scores them is random."""
    from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil

    folder.mkdir(parents=True)
    letters = list(string.ascii_lowercase)
    words = ["!", "<|startoftext|>", "<|endoftext|>", *letters, *[f"{x}</w>" for x in letters]]
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({word: number for number, word in enumerate(words)}))
    merges.write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(
        vocab=str(vocabulary), merges=str(merges), model_max_length=16, pad_token="!"
    )
    side = 16 * GRID
    pictures = Owlv2ImageProcessorPil(size={"height": side, "width": side})
    transformers.Owlv2Processor(pictures, tokenizer).save_pretrained(folder)
    small = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }  # fmt: skip
    text = {
        "vocab_size": len(words), "max_position_embeddings": 16, "bos_token_id": 1,
        "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    network = transformers.Owlv2ForObjectDetection(
        transformers.Owlv2Config(
            text_config={**small, **text},
            vision_config={**small, "image_size": side, "patch_size": 16},
            projection_dim=32,
        )
    )
    with torch.no_grad():
        network.box_head.dense2.weight.zero_()
        network.box_head.dense2.bias.zero_()
    network.save_pretrained(folder)
    return folder


def grounding_dino(folder: Path) -> Path:
    """Grounding DINO, random throughout."""
    from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
        GroundingDinoImageProcessorPil,
    )

    folder.mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "a", "dog", "cat"]
    tokenizer = transformers.BertTokenizer(vocab={w: number for number, w in enumerate(words)})
    pictures = GroundingDinoImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96})
    transformers.GroundingDinoProcessor(pictures, tokenizer).save_pretrained(folder)
    config = transformers.GroundingDinoConfig(
        backbone_config=transformers.SwinConfig(
            image_size=64, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2],
            window_size=4, out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=transformers.BertConfig(
            vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=64,
        ),
        d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=64, decoder_ffn_dim=64,
        encoder_attention_heads=2, decoder_attention_heads=2, num_queries=20,
        num_feature_levels=4, fusion_droppath=0.0, max_text_len=32,
    )  # fmt: skip
    transformers.GroundingDinoForObjectDetection(config).save_pretrained(folder)
    return folder
