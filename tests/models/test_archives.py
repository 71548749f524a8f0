"""Archives that claim, hold or name more than they should; the limits of downloads."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import pytest
from web_server import WebServer

import vidlab as vl
from vidlab.core.errors import DownloadError, LimitError, OfflineError
from vidlab.models.archives import unpack
from vidlab.models.download import download, hub_directory, hugging_face_directory

GOOD = {"saved_model.pb": b"graph", "variables/variables.index": b"names", "assets/empty": b""}


def packed(files: dict[str, bytes], *entries: tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    """Return an archive of files, and then of entries without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for entry in entries:
            tar.addfile(entry)
    return out.getvalue()


def entry(name: str, kind: bytes, **about: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for key, value in about.items():
        setattr(made, key, value)
    return made


def unpacked(content: bytes, tmp_path: Path) -> dict[str, bytes]:
    """Unpack an archive; return what was written, by name."""
    archive, folder = tmp_path / "archive", tmp_path / "model"
    archive.write_bytes(content)
    unpack(archive, folder, what="it")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("mode", ["w:gz", "w"])
@pytest.mark.parametrize("start", ["", "./"])
def test_a_good_archive_is_unpacked(mode: str, start: str, tmp_path: Path) -> None:
    files = {start + name: content for name, content in GOOD.items()}
    files[start + "n" * 150] = bytes(3 * tarfile.BLOCKSIZE)  # a name that takes a header of its own
    folders = [entry(each, tarfile.DIRTYPE) for each in (".", "variables", "none")]
    found = unpacked(packed(files, *folders, mode=mode), tmp_path)
    assert found == GOOD | {"n" * 150: bytes(3 * tarfile.BLOCKSIZE)}
    assert (tmp_path / "model" / "none").is_dir()


@pytest.mark.parametrize(
    "held",
    [
        entry("x", tarfile.SYMTYPE, linkname="/etc/passwd"),
        entry("x", tarfile.SYMTYPE, linkname="saved_model.pb"),
        entry("x", tarfile.LNKTYPE, linkname="saved_model.pb"),
        entry("x", tarfile.CHRTYPE, devmajor=1, devminor=5),
        entry("x", tarfile.BLKTYPE),
        entry("x", tarfile.FIFOTYPE),
    ],
    ids=["symlink", "symlink inside", "hard link", "device", "disk", "pipe"],
)
def test_links_and_devices_are_refused(held: tarfile.TarInfo, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="'x' in it is a link or a device"):
        unpacked(packed(GOOD, held), tmp_path)
    assert not (tmp_path / "model" / "x").exists()


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/x", "//x", "a\nb", "a\x1b[2J", "..\\x", "C:\\x", "C:x", "a\u202eb"],
)
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    for content in (packed({name: b"evil"}), packed({}, entry(name, tarfile.DIRTYPE))):
        folder = tmp_path / hashlib.sha256(content).hexdigest()[:8] / "deep"
        folder.mkdir(parents=True)
        with pytest.raises(DownloadError, match="inside its folder"):
            unpacked(content, folder)
        assert {path.name for path in folder.parent.rglob("*")} == {"deep", "archive", "model"}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no archive", b"\x1f\x8b", b"<html>" * 1000, packed(GOOD)[:-30], packed(GOOD)[:60],
        packed({"a": bytes(5000)}, mode="w")[:2000], packed({"a": b"1", "a/b": b"2"}),
        packed({"a": b"1"}, entry("a", tarfile.REGTYPE)), packed({"x" * 300: b"1"}),
    ],
    ids=["empty", "text", "mark", "page", "cut", "short", "cut file", "folder", "twice", "long"],
)  # fmt: skip
def test_damaged_archives_are_told(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"no tar archive|Cannot write"):
        unpacked(content, tmp_path)


# ---- limits --------------------------------------------------------------------------------------


def test_more_files_than_the_limit_are_refused_and_by_name_let_in(tmp_path: Path) -> None:
    content = packed({f"file {number}": b"" for number in range(6)})
    with (
        vl.limits(max_archive_files=5),
        pytest.raises(LimitError, match=r"vidlab\.limits\(max_archive_files=6\)"),
    ):
        unpacked(content, tmp_path)
    (tmp_path / "again").mkdir()
    with vl.limits(max_archive_files=6):
        assert len(unpacked(content, tmp_path / "again")) == 6


def test_more_bytes_than_the_limit_are_refused_and_by_name_let_in(tmp_path: Path) -> None:
    content = packed({"a": bytes(60), "b": bytes(41)})
    with (
        vl.limits(max_archive_bytes=100),
        pytest.raises(LimitError, match=r"vidlab\.limits\(max_archive_bytes=101\)"),
    ):
        unpacked(content, tmp_path)
    (tmp_path / "again").mkdir()
    with vl.limits(max_archive_bytes=101):
        assert len(unpacked(content, tmp_path / "again")) == 2


def test_a_decompression_bomb_writes_nothing(tmp_path: Path) -> None:
    """It says so itself: looking at what it claims is enough, and none of it is written."""
    out = io.BytesIO()
    with gzip.open(out, "wb", compresslevel=1) as stream:
        bomb = tarfile.TarInfo("bomb")
        bomb.size = 100 << 20
        stream.write(bomb.tobuf())
        for _ in range(100):
            stream.write(bytes(1 << 20))
    with pytest.raises(LimitError, match=r"vidlab\.limits\(max_archive_ratio="):
        unpacked(out.getvalue(), tmp_path)
    assert not (tmp_path / "model" / "bomb").exists()


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_a_header_that_claims_gigabytes_takes_no_memory(kind: bytes, tmp_path: Path) -> None:
    header = entry("x", kind, size=5 << 30).tobuf()
    with pytest.raises(DownloadError, match="a header of 5368709"):
        unpacked(gzip.compress(header + bytes(5000)), tmp_path)


def test_headers_without_end_end(tmp_path: Path) -> None:
    headers = entry("x", tarfile.XGLTYPE).tobuf() * 5000
    with pytest.raises(DownloadError, match="no tar archive"):
        unpacked(gzip.compress(headers), tmp_path)


def test_a_size_below_zero_makes_no_room_for_others(tmp_path: Path) -> None:
    header = bytearray(entry("x", tarfile.REGTYPE).tobuf())
    header[124:136] = b"\xff" * 11 + b"\x00"  # GNU's form of a negative number
    header[148:156] = b"%06o\0 " % (256 + sum(header[:148]) + sum(header[156:512]))
    with pytest.raises(DownloadError, match="no tar archive"):
        unpacked(gzip.compress(bytes(header) + packed({"a": bytes(60)}, mode="w")), tmp_path)


def test_headers_are_counted_too(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name in ("a", "b", "c"):
            tar.addfile(entry(name, tarfile.REGTYPE, pax_headers={"comment": "x" * 400_000}))
    with (
        vl.limits(max_archive_bytes=1_000_000, max_archive_files=3),
        pytest.raises(LimitError, match="max_archive_bytes"),
    ):
        unpacked(out.getvalue(), tmp_path)


# ---- from a server -------------------------------------------------------------------------------


class Server(WebServer):
    """Serves `content` with its length, or without; `moved` is where it is instead."""

    def __init__(self) -> None:
        super().__init__()
        self.content = packed(GOOD)
        self.tells_length = True
        self.moved: str | None = None
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return self.at("/model/1")

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        is_moved = self.moved is not None and request.path.startswith("/model/1")
        request.send_response(302 if is_moved else 200)
        if is_moved:
            request.send_header("Location", str(self.moved))
        elif self.tells_length:
            request.send_header("Content-Length", str(len(self.content)))
        request.end_headers()
        if not is_moved:
            request.wfile.write(self.content)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIDLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    return tmp_path / "cache" / "tfhub"


def test_a_model_of_tf_hub_is_brought_once(server: Server, kept: Path) -> None:
    for _ in range(2):
        folder = hub_directory(server.address + "?a=b%20c")
        assert (folder / "variables" / "variables.index").read_bytes() == b"names"
    assert server.asked == ["/model/1?a=b+c&tf-hub-format=compressed"]
    assert {path.name for path in kept.iterdir()} <= {folder.name, f"{folder.name}.lock"}


def test_what_tensorflow_hub_has_is_taken(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    folder = tmp_path / hashlib.sha1(server.address.encode()).hexdigest()
    folder.mkdir()
    assert hub_directory(server.address) != folder  # there is nothing in it
    (folder / "saved_model.pb").write_bytes(b"graph")
    assert hub_directory(server.address) == folder
    assert len(server.asked) == 1


def test_redirections_of_models_are_looked_at(server: Server, kept: Path) -> None:
    server.moved = "/elsewhere"
    assert (hub_directory(server.address) / "saved_model.pb").is_file()
    for there in ("http://169.254.169.254/keys", "file:///etc/passwd", "ftp://127.0.0.1/x"):
        server.moved = there
        with pytest.raises(DownloadError, match=r"not asked|not allowed"):
            hub_directory(f"{server.address}/{len(there)}")
    assert len(list(kept.glob("*/saved_model.pb"))) == 1


def test_a_bomb_from_a_server_leaves_nothing(server: Server, kept: Path) -> None:
    with vl.limits(max_archive_bytes=3), pytest.raises(LimitError, match="max_archive_bytes"):
        hub_directory(server.address)
    assert [path.suffix for path in kept.iterdir()] in ([], [".lock"])
    assert hub_directory(server.address).is_dir()


@pytest.mark.parametrize("tells_length", [True, False])
def test_a_download_without_end_is_cut(server: Server, tells_length: bool, tmp_path: Path) -> None:
    server.content, server.tells_length = bytes(1_000_000), tells_length
    target = tmp_path / "file"
    with vl.limits(max_download_bytes=999_999), pytest.raises(LimitError, match="max_download"):
        download(server.address, target, sha256=None, title="it")
    assert {path.name for path in tmp_path.iterdir()} <= {"file.lock"}
    with vl.limits(max_download_bytes=1_000_000):
        download(server.address, target, sha256=None, title="it")
    assert target.stat().st_size == 1_000_000


def test_without_a_network_it_says_what_to_do() -> None:
    with pytest.raises(OfflineError, match="unpack it into a directory"):
        hub_directory("http://127.0.0.1:9/model")


def test_a_repository_that_is_too_large_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    entries = [
        SimpleNamespace(rfilename=name, size=60) for name in ("config.json", "x.mp4", "a.json")
    ]
    monkeypatch.setattr(
        "huggingface_hub.HfApi.model_info",
        lambda *_args, **_options: SimpleNamespace(sha="0", siblings=entries),
    )
    with vl.limits(max_download_bytes=119), pytest.raises(LimitError, match="bytes: 120"):
        hugging_face_directory("somebody/model")
