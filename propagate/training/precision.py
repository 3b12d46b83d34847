"""In which precision a device computes fastest."""

from __future__ import annotations

import torch


def fastest(device: torch.device) -> torch.autocast:
    """bfloat16 where the hardware multiplies it, else float32, as a context to compute in.

    A CPU without such instructions emulates bfloat16, at half the speed of float32.
    """
    if device.type != "cpu":
        return torch.autocast(device.type, torch.bfloat16)
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    native = bool(known.get("avx512_bf16") or known.get("amx_bf16"))
    return torch.autocast("cpu", torch.bfloat16, enabled=native)
