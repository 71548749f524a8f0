from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vidlab.core.files import atomic_write, cache_dir, mirror_dir, sha256_of


def test_a_write_is_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file.bin"
    with atomic_write(target) as stream:
        stream.write(b"first")
    assert target.read_bytes() == b"first"

    def fail() -> None:
        with atomic_write(target) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_bytes() == b"first"
    assert [item.name for item in target.parent.iterdir()] == ["file.bin"]


def test_a_written_file_has_the_usual_permissions(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    with atomic_write(tmp_path / "atomic") as stream:
        stream.write(b"")
    assert (tmp_path / "atomic").stat().st_mode == plain.stat().st_mode


def test_sha256(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"vidlab")
    assert sha256_of(path) == hashlib.sha256(b"vidlab").hexdigest()


def test_places_follow_the_environment(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path))
    monkeypatch.setenv("VIDLAB_MODELS", str(tmp_path / "mirror"))
    assert cache_dir() == tmp_path
    assert mirror_dir() == tmp_path / "mirror"
    monkeypatch.delenv("VIDLAB_MODELS")
    assert mirror_dir() is None
