"""Downloads against a local server that breaks on purpose."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from web_server import WebServer

import vidlab as vl
from vidlab.cli import main
from vidlab.core.errors import DownloadError, OfflineError
from vidlab.models.card import ModelCard, Variant, card_named
from vidlab.models.download import download, download_variant

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(WebServer):
    """Serves `content`; `cut_after` breaks the connection after so many bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.cut_after: int | None = None
        self.honours_range = True
        self.status = 200
        self.ranges: list[str | None] = []
        self.content = CONTENT

    @property
    def url(self) -> str:
        return self.at("/model.tflite")

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        if self.status != 200:
            request.send_error(self.status)
            return
        start = int(wanted[6:-1]) if wanted and self.honours_range else 0
        if start >= len(self.content):
            request.send_error(416)
            return
        body = self.content[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body if self.cut_after is None else body[: self.cut_after])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def test_a_download_is_checked_and_lands_under_its_name(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "models" / "model.tflite"
    download(server.url, target, sha256=SHA256, title="m")
    assert target.read_bytes() == CONTENT
    download(server.url, target, sha256=SHA256, title="m")
    assert len(server.ranges) == 1  # the second call found it


@pytest.mark.parametrize("honours_range", [True, False])
def test_a_cut_download_goes_on_where_it_stopped(
    server: Server, tmp_path: Path, honours_range: bool
) -> None:
    target = tmp_path / "model.tflite"
    server.cut_after = 300_000
    with pytest.raises(DownloadError, match="Run it again"):
        download(server.url, target, sha256=SHA256, title="m")
    assert not target.exists()
    server.cut_after = None
    server.honours_range = honours_range
    download(server.url, target, sha256=SHA256, title="m")
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]
    assert not list(tmp_path.glob("*.part"))


def test_a_whole_part_from_a_killed_process_is_not_fatal(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "model.tflite"
    part = target.with_name("model.tflite.part")
    part.write_bytes(CONTENT)
    download(server.url, target, sha256=SHA256, title="m")
    assert target.read_bytes() == CONTENT
    assert server.ranges == []  # its checksum says that nothing is missing
    target.unlink()
    part.write_bytes(b"!" * len(CONTENT))
    download(server.url, target, sha256=SHA256, title="m")
    assert target.read_bytes() == CONTENT


def test_the_wrong_content_is_thrown_away(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "model.tflite"
    with pytest.raises(DownloadError, match="expected 0000"):
        download(server.url, target, sha256="0" * 64, title="m")
    assert not list(tmp_path.glob("model.tflite*[!k]"))  # nothing but the lock


def test_an_error_answer_is_told(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(DownloadError, match="answered 404"):
        download(server.url, tmp_path / "model.tflite", sha256=None, title="m")
    assert not (tmp_path / "model.tflite").exists()


def test_offline_names_the_mirror_and_the_file(tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match=r"put model.tflite into.*set VIDLAB_MODELS"):
        download("http://127.0.0.1:9/m", tmp_path / "model.tflite", sha256=None, title="m")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/file", "model.tflite"])
def test_other_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"Only http\(s\)"):
        download(url, tmp_path / "model.tflite", sha256=None, title="m")


def test_two_downloads_at_once_do_not_mix(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "model.tflite"
    failures: list[BaseException] = []

    def work() -> None:
        try:
            download(server.url, target, sha256=SHA256, title="m")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert target.read_bytes() == CONTENT
    assert len(server.ranges) == 1


def test_a_variant_goes_into_the_cache(server: Server, cache: Path) -> None:
    variant = Variant(
        name="int8", precision="int8", format="litert", file="m.tflite", url=server.url,
        sha256=SHA256,
    )  # fmt: skip
    card: ModelCard = card_named("movinet-a0-stream")
    assert download_variant(card, variant) == cache / "models" / "m.tflite"
    assert (cache / "models" / "m.tflite").read_bytes() == CONTENT


_IN_A_PROCESS = """
import resource, sys
from pathlib import Path
from vidlab.core.errors import VidlabError
from vidlab.models.download import download
if sys.argv[4]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
try:
    download(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3], title="m")
except VidlabError as error:
    print(type(error).__name__, error)
"""


def started(server: Server, target: Path, *, most_bytes: int | None = None) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", _IN_A_PROCESS, server.url, target, SHA256, str(most_bytes or "")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_two_processes_at_once_do_it_once(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "model.tflite"
    both = [started(server, target), started(server, target)]
    assert [process.communicate(timeout=120)[0] for process in both] == ["", ""]
    assert target.read_bytes() == CONTENT
    assert len(server.ranges) == 1


def test_a_full_disk_leaves_nothing_under_the_name(server: Server, tmp_path: Path) -> None:
    """A process that may write no more stands for a disk that takes no more."""
    target = tmp_path / "model.tflite"
    told, _ = started(server, target, most_bytes=500_000).communicate(timeout=120)
    assert told.startswith("DownloadError Cannot write"), told
    assert not target.exists()
    download(server.url, target, sha256=SHA256, title="m")  # when there is room again
    assert target.read_bytes() == CONTENT


@pytest.fixture
def served_card(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    """A card whose weights only the server has."""
    variant = Variant(
        name="int8", precision="int8", format="litert", file="served.tflite", sha256=SHA256,
        size_bytes=len(CONTENT), url=server.url,
    )  # fmt: skip
    card = replace(card_named("movinet-a0-stream"), name="served", variants=(variant,))
    monkeypatch.setattr("vidlab.models.loading.card_named", {"served": card}.__getitem__)
    monkeypatch.setattr("vidlab.models.loading.cards", lambda: {"served": card})
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VIDLAB_MODELS", raising=False)
    return card


def test_the_command_brings_weights_once_and_says_where(
    served_card: ModelCard, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", served_card.name]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.read_bytes() == CONTENT
    assert main(["download", served_card.name, "--variant", "int8"]) == 0
    assert Path(capsys.readouterr().out.strip()) == path
    assert len(server.ranges) == 1


def test_damage_is_found_and_said(
    served_card: ModelCard, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", served_card.name]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert main(["models", "--verify"]) == 0
    assert re.search(r"served +int8 +cache +ok", capsys.readouterr().out)
    path.write_bytes(CONTENT[:-1] + b"!")
    assert main(["models", "--verify"]) == 2
    told = capsys.readouterr()
    assert re.search(r"served +int8 .*damaged", told.out)
    assert "1 of the files here are damaged" in told.err


def test_a_server_that_cannot_be_reached_is_told_by_the_command(
    served_card: ModelCard, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status = 503
    assert main(["download", served_card.name]) == 2
    assert "answered 503" in capsys.readouterr().err


def archive(names: Sequence[str], *, links: Sequence[str] = ()) -> bytes:
    """Return a tar.gz with a small file for each of `names`, and links out of the folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in links:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "../.."
            tar.addfile(link)
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"evil"))
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        archive(["variables/here", "../outside"]),
        archive(["inside/outside"], links=["inside"]),
        b"no archive",
    ],
    ids=["up", "link", "none"],
)
def test_an_archive_writes_nothing_outside_its_folder(
    server: Server, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path / "kept" / "here"))
    server.content = content
    with pytest.raises(DownloadError, match=r"model\.tflite is (not unpacked|no tar archive)"):
        vl.load_model(server.url)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"evil"]
    assert left == []
    assert not list(tmp_path.rglob("saved_model.pb"))


def test_an_address_without_a_model_is_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path))
    server.status = 404
    with pytest.raises(DownloadError, match="404"):
        vl.load_model(server.url)
    with pytest.raises(OfflineError, match="unpack it into a directory"):
        vl.load_model("http://127.0.0.1:9/model")


# ---------------------------------------------------------------- Kaggle Models


class Kaggle:
    """Stands for kagglehub, whose address is fixed: it leaves `files` in its own cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, bytes] = {}
        self.calls = 0

    def model_download(self, handle: str) -> str:
        self.calls += 1
        for name, content in self.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return str(self.folder)


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kaggle:
    stand_in = Kaggle(tmp_path / "kagglehub")
    monkeypatch.setattr("kagglehub.model_download", stand_in.model_download)
    return stand_in


def of_kaggle(format_: str, **about: Any) -> Variant:
    return Variant(
        name="float", precision="float32", format=format_, file="kept", handle="a/b/c/d/1", **about
    )


def test_a_saved_model_of_kaggle_is_here_after_its_download(
    kaggle: Kaggle,
    served_card: ModelCard,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = b"variables"
    kaggle.files = {"saved_model.pb": b"graph", "variables/variables.index": content}
    members = {"variables/variables.index": hashlib.sha256(content).hexdigest()}
    card = replace(served_card, variants=(of_kaggle("savedmodel", members=members),))
    monkeypatch.setattr("vidlab.models.loading.card_named", {"served": card}.__getitem__)
    monkeypatch.setattr("vidlab.models.loading.cards", lambda: {"served": card})
    for _ in range(2):
        assert main(["download", "served"]) == 0
        folder = Path(capsys.readouterr().out.strip())
        assert folder == cache / "models" / "kept"
        assert (folder / "variables" / "variables.index").read_bytes() == content
    assert kaggle.calls == 1
    assert main(["models", "--verify"]) == 0
    assert re.search(r"served +float +cache +ok", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("about", "files", "message"),
    [
        ({"format_": "litert", "sha256": "0" * 8}, {"a.tflite": CONTENT}, "expected 00000000"),
        ({"format_": "litert"}, {"a.tflite": b"", "b.tflite": b""}, "it holds 2"),
        ({"format_": "savedmodel"}, {"variables/variables.index": b""}, "it holds 0"),
        (
            {"format_": "savedmodel", "members": {"variables/variables.index": SHA256}},
            {"saved_model.pb": b"graph"},
            "is incomplete",
        ),
    ],
    ids=["checksum", "two", "none", "member"],
)
def test_what_kaggle_gives_is_checked(
    kaggle: Kaggle, cache: Path, about: dict[str, Any], files: dict[str, bytes], message: str
) -> None:
    kaggle.files = files
    with pytest.raises(DownloadError, match=message):
        download_variant(card_named("movinet-a0-stream"), of_kaggle(**about))
    assert [path.name for path in (cache / "models").iterdir()] == ["kept.lock"]


@pytest.mark.parametrize(
    ("format_", "files"),
    [
        ("litert", {"a.tflite": CONTENT}),
        ("savedmodel", {"saved_model.pb": b"graph", "variables/variables.index": b"names"}),
    ],
)
def test_a_full_disk_keeps_nothing_of_kaggle(
    kaggle: Kaggle,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    format_: str,
    files: dict[str, bytes],
) -> None:
    def half(source: Path, target: Path, **_: object) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    kaggle.files, variant = files, of_kaggle(format_)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", half)
        with pytest.raises(DownloadError, match=r"Cannot write .*No space left"):
            download_variant(card_named("movinet-a0-stream"), variant)
    assert [path.name for path in (cache / "models").iterdir()] == ["kept.lock"]
    path = download_variant(card_named("movinet-a0-stream"), variant)  # when there is room again
    assert path.exists()


def test_two_downloads_from_kaggle_at_once_do_it_once(kaggle: Kaggle, cache: Path) -> None:
    kaggle.files = {"a.tflite": CONTENT}
    card, variant = card_named("movinet-a0-stream"), of_kaggle("litert", sha256=SHA256[:8])
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: download_variant(card, variant), range(4)))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert kaggle.calls == 1
