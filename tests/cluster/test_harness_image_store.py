"""The stores of images on a node: one is made from a copy of the last one, which it must not change."""

from pathlib import Path

import msgspec
import pytest
from harness.kubernetes import binaries
from harness.kubernetes.node.images import CATALOGUES, Images, Store


def test_image_store_copy_shares_layers_and_no_file_that_is_changed_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = Store("before")
    assert store.path.is_relative_to(binaries.cache())
    assert store.path.is_relative_to(tmp_path)
    before = Images(penstock="penstock:1", models="models:1", nats="nats:1")
    for name in (*CATALOGUES, "layers/1"):
        (store.path / name).parent.mkdir(parents=True, exist_ok=True)
        (store.path / name).write_bytes(msgspec.json.encode(before))
    target = tmp_path / "copy"
    store.copy(target)
    assert (target / "layers/1").samefile(store.path / "layers/1")
    for name in CATALOGUES:
        (target / name).write_bytes(b"{}")
    assert store.images == before
    assert (store.path / CATALOGUES[0]).read_bytes() == msgspec.json.encode(before)
