"""Our SAM and the one in `transformers` with the same weights, copied key by key."""

from __future__ import annotations

import re

import pytest
import torch

from propagate.segmenters._sam.image_encoder import ImageEncoder, VitSize
from propagate.segmenters._sam.network import SamNetwork

transformers = pytest.importorskip("transformers", reason="pip install 'mask-propagate[parity]'")

RULES = (
    (r"^vision_encoder\.patch_embed\.projection", "image_encoder.patch_embed.proj"),
    (r"^vision_encoder\.pos_embed", "image_encoder.pos_embed"),
    (r"^vision_encoder\.layers\.(\d+)\.layer_norm(\d)", r"image_encoder.blocks.\1.norm\2"),
    (r"^vision_encoder\.layers\.", "image_encoder.blocks."),
    (r"^vision_encoder\.neck\.conv1", "image_encoder.neck.0"),
    (r"^vision_encoder\.neck\.layer_norm1", "image_encoder.neck.1"),
    (r"^vision_encoder\.neck\.conv2", "image_encoder.neck.2"),
    (r"^vision_encoder\.neck\.layer_norm2", "image_encoder.neck.3"),
    (
        r"^prompt_encoder\.shared_embedding\.positional_embedding",
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    ),
    (r"^prompt_encoder\.point_embed\.", "prompt_encoder.point_embeddings."),
    (r"^prompt_encoder\.mask_embed\.conv1", "prompt_encoder.mask_downscaling.0"),
    (r"^prompt_encoder\.mask_embed\.layer_norm1", "prompt_encoder.mask_downscaling.1"),
    (r"^prompt_encoder\.mask_embed\.conv2", "prompt_encoder.mask_downscaling.3"),
    (r"^prompt_encoder\.mask_embed\.layer_norm2", "prompt_encoder.mask_downscaling.4"),
    (r"^prompt_encoder\.mask_embed\.conv3", "prompt_encoder.mask_downscaling.6"),
    (r"\.layer_norm_final_attn", ".norm_final_attn"),
    (r"^(mask_decoder\.transformer.*)\.layer_norm(\d)", r"\1.norm\2"),
    (r"^mask_decoder\.upscale_conv1", "mask_decoder.output_upscaling.0"),
    (r"^mask_decoder\.upscale_layer_norm", "mask_decoder.output_upscaling.1"),
    (r"^mask_decoder\.upscale_conv2", "mask_decoder.output_upscaling.3"),
    (r"\.proj_in\.", ".layers.0."),
    (r"\.proj_out\.", ".layers.2."),
)
"""A key of theirs → ours; the hidden layer of the heads is told apart below."""


def ours(key: str) -> str:
    heads = r"(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\.0\."
    key = re.sub(heads, r"\1.layers.1.", key)
    for pattern, replacement in RULES:
        key = re.sub(pattern, replacement, key)
    return key


def both(size: VitSize, side: int):
    """Their model and ours with the same random weights."""
    torch.manual_seed(0)
    vision = transformers.SamVisionConfig(
        hidden_size=size.channels,
        num_hidden_layers=size.depth,
        num_attention_heads=size.heads,
        mlp_dim=4 * size.channels,
        image_size=side,
        global_attn_indexes=list(size.whole),
    )
    prompt = transformers.SamPromptEncoderConfig(image_size=side, image_embedding_size=side // 16)
    theirs = transformers.SamModel(
        transformers.SamConfig(vision_config=vision, prompt_encoder_config=prompt)
    ).eval()
    with torch.no_grad():
        for name, value in theirs.named_parameters():
            scale = 0.02 if value.ndim > 1 else 0.1
            start = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            value.copy_(start + scale * torch.randn_like(value))
    state = {
        ours(key): value
        for key, value in theirs.state_dict().items()
        if not key.startswith("shared_image_embedding")
    }
    network = SamNetwork(ImageEncoder(size, side), side).eval()
    network.load_state_dict(state)
    return theirs, network


def their_decoder(network: SamNetwork):
    """Their model with our prompt encoder and mask decoder; its image encoder is not used."""
    vision = transformers.SamVisionConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, mlp_dim=64
    )
    theirs = transformers.SamModel(transformers.SamConfig(vision_config=vision)).eval()
    state = network.state_dict()
    places = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    copied = {
        key: state[places if key.startswith("shared_image_embedding") else ours(key)]
        for key in theirs.state_dict()
        if not key.startswith("vision_encoder")
    }
    told = theirs.load_state_dict(copied, strict=False)
    assert not told.unexpected_keys
    assert all(key.startswith("vision_encoder") for key in told.missing_keys)
    return theirs
