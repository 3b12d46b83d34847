"""Weights from files, the cache and addresses: verified, never run, refused in one line."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import propagate
from propagate.cli.weights import fetch_weights
from propagate.errors import CheckpointError
from propagate.segmenters import _checkpoints
from propagate.segmenters._sam.segmenter import load


class Payload:
    def __reduce__(self):
        return (Path.touch, (Path("harmed"),))


def truncated(good: Path, path: Path) -> None:
    data = good.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def not_a_number(good: Path, path: Path) -> None:
    state = torch.load(good, weights_only=True)
    state["mask_decoder.iou_token.weight"][0, 3] = torch.nan
    torch.save(state, path)


def lying(header: bytes, length: int) -> bytes:
    return struct.pack("<Q", length) + header + b"\0" * 64


HUGE = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}})
SPOILT = {
    "missing": lambda good, path: None,
    "truncated": truncated,
    "code": lambda good, path: path.write_bytes(pickle.dumps({"image_encoder.x": Payload()})),
    "code in a zip": lambda good, path: torch.save({"image_encoder.x": Payload()}, path),
    "text": lambda good, path: path.write_text("not weights"),
    "empty": lambda good, path: path.touch(),
    "a list": lambda good, path: torch.save([torch.zeros(2)], path),
    "another network": lambda good, path: torch.save({"conv.weight": torch.zeros(2)}, path),
    "NaN": not_a_number,
    "a lying header.safetensors": lambda good, path: path.write_bytes(
        lying(HUGE.encode(), len(HUGE))
    ),
    "a header without end.safetensors": lambda good, path: path.write_bytes(lying(b"{}", 1 << 60)),
}
"""What is wrong → write such a file."""


@pytest.mark.parametrize("kind", SPOILT)
def test_what_is_wrong_is_one_line(golden, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / (kind if kind.endswith(".safetensors") else f"{kind}.pth")
    SPOILT[kind](golden("mobile-sam").checkpoint, path)
    with pytest.raises(CheckpointError) as refused:
        propagate.load_segmenter("mobile-sam", str(path), "cpu")
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)
    assert not (tmp_path / "harmed").exists()


def test_the_message_names_what_is_missing_and_unexpected(golden, tmp_path):
    state = torch.load(golden("mobile-sam").checkpoint, weights_only=True)
    state["own.weight"] = state.pop("mask_decoder.iou_token.weight")
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(
        CheckpointError, match=r"missing 1 \(mask_decoder.iou_token.*1 \(own.weight"
    ):
        load("mobile-sam", tmp_path / "weights.pth")


@pytest.mark.parametrize("form", ["float16", "safetensors"])
def test_half_precision_and_safetensors_are_read(golden, form, tmp_path):
    state = torch.load(golden("mobile-sam").checkpoint, weights_only=True)
    path = tmp_path / ("weights.safetensors" if form == "safetensors" else "weights.pth")
    if form == "safetensors":
        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        torch.save({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, path)
    network = load("mobile-sam", path)
    for key, value in network.state_dict().items():
        if value.is_floating_point():
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, state[key], atol=1e-3, rtol=1e-3)


@pytest.fixture
def address():
    """A server on loopback that gives the bytes it is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content = b""
    server.handle_error = lambda *arguments: None  # a client that has enough hangs up
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def published(address, tmp_path, monkeypatch):
    """mobile-sam's entry, pointed at the server, whose content it expects."""
    address.content = b"weights" * 1000
    entry = replace(
        _checkpoints.PUBLISHED["mobile-sam"],
        url=f"http://127.0.0.1:{address.server_port}/weights",
        size=len(address.content),
        sha256=hashlib.sha256(address.content).hexdigest(),
    )
    monkeypatch.setattr(_checkpoints, "PUBLISHED", {"mobile-sam": entry})
    monkeypatch.setenv("PROPAGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PROPAGATE_OFFLINE")
    return entry


def test_a_download_is_verified_and_kept(published, address, tmp_path):
    told = []
    path = _checkpoints.find("mobile-sam", None, lambda *counts: told.append(counts))
    assert path.read_bytes() == address.content
    assert told[-1] == (published.size, published.size)
    assert [each.name for each in path.parent.iterdir()] == [published.file]
    address.content = b"gone"
    assert _checkpoints.find("mobile-sam", None) == path  # from the cache


def test_a_command_fetches_what_is_not_here(published, address, tmp_path):
    fetch_weights({"name": "lite"}, quiet=True)
    fetch_weights({"name": "mobile-sam", "checkpoint": "own.pth"}, quiet=True)
    assert not (tmp_path / "cache").exists()
    fetch_weights({"name": "mobile-sam", "checkpoint": None}, quiet=True)
    assert (tmp_path / "cache" / published.file).read_bytes() == address.content
    address.content = b"gone"
    fetch_weights({"name": "mobile-sam", "checkpoint": None}, quiet=True)


@pytest.mark.parametrize("content", [b"other", b"x" * 7000, b"x" * 10_000_000])
def test_another_file_is_not_kept(published, address, content, tmp_path):
    address.content = content
    with pytest.raises(CheckpointError, match="another file than expected"):
        _checkpoints.find("mobile-sam", None)
    assert not list((tmp_path / "cache").iterdir())


def test_no_network_names_the_file_and_where_to_put_it(published, monkeypatch, tmp_path):
    entry = replace(published, url="http://127.0.0.1:9/weights")
    monkeypatch.setattr(_checkpoints, "PUBLISHED", {"mobile-sam": entry})
    with pytest.raises(CheckpointError) as refused:
        propagate.load_segmenter("mobile-sam")
    assert entry.url in str(refused.value)
    assert str(tmp_path / "cache" / entry.file) in str(refused.value)


def test_offline_nothing_is_fetched(published, monkeypatch):
    monkeypatch.setenv("PROPAGATE_OFFLINE", "1")
    with pytest.raises(CheckpointError, match="PROPAGATE_OFFLINE"):
        _checkpoints.find("mobile-sam", None)


def test_every_digest_is_whole():
    for entry in _checkpoints.PUBLISHED.values():
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert entry.url.startswith("https://")
