"""Video models of the transformers library, with random weights, against its own direct use."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_transformers import LABELS, MAKERS, OF_CLASSES, SIDE, SMALL, transformers
from web_server import WebServer

import vidlab as vl
from vidlab.core.errors import OptionError, UnknownModelError, WeightsError

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny model of each architecture, as transformers writes it."""
    root = tmp_path_factory.mktemp("transformers")
    for name, make in MAKERS.items():
        torch.manual_seed(1)
        make(root / name)
    return {name: root / name for name in MAKERS}


def direct(folder: Path, rgb: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and logits as transformers' own examples get them."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    pixels = processor(rgb, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        if folder.name == "xclip":
            tokens = transformers.AutoTokenizer.from_pretrained(folder)(
                LABELS, padding=True, return_tensors="pt"
            )
            network = transformers.XCLIPModel.from_pretrained(folder).eval()
            logits = network(pixel_values=pixels, **tokens).logits_per_video
        else:
            auto = transformers.AutoModelForVideoClassification
            logits = auto.from_pretrained(folder).eval()(pixel_values=pixels).logits
    return pixels[0].numpy(), logits[0].numpy()


@pytest.mark.parametrize("name", MAKERS)
def test_answers_are_those_of_direct_use(
    name: str, folders: dict[str, Path], shared_data: Path
) -> None:
    video = vl.Video(shared_data / "clips" / "WUzgd7C1pWA.mp4")
    model = vl.load_model(folders[name], labels=LABELS if name == "xclip" else None)
    assert (model.backend, list(model.labels)) == ("transformers", LABELS)
    rgb = [video[index].rgb for index in (0, 30, 60, 90)]
    mine = np.stack([model.preprocessing(each) for each in rgb])
    pixels, logits = direct(folders[name], rgb)
    off = np.abs(mine.transpose(0, 3, 1, 2) - pixels)
    # A half may be rounded either way: a few values are off, by one of 255 levels.
    assert (off > 1e-4).mean() < 5e-3
    assert off.max() < 1.01 / model.preprocessing.scale / min(model.preprocessing.std)
    same = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(model.classify(same[None])[0], logits, atol=1e-4)
    predictions = vl.predict(video, model, progress=False)
    assert set(predictions.table["label"]) <= set(LABELS)


def test_the_frame_rate_that_nobody_wrote_down_is_said(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    model = vl.load_model(folders["videomae"])
    assert model.preprocessing.frame_rate == 7.5
    assert "7.5 frames a second are assumed" in capsys.readouterr().err


def test_a_shipped_card_is_completed_by_the_directory(folders: dict[str, Path]) -> None:
    model = vl.load_model(folders["videomae"], card="videomae-base")
    assert (model.name, model.card.num_frames) == ("videomae-base", 4)
    assert model.preprocessing.size_px == (SIDE, SIDE)


def test_labels_go_by_their_numbers(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["videomae"], tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    config["id2label"] = {"2": "lunge", "0": "squat", "1": "jogging"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert list(vl.load_model(tmp_path).labels) == ["squat", "jogging", "lunge"]
    config["id2label"] = {"0": "squat", "1": "jogging", "7": "lunge"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="none of number 2"):
        vl.load_model(tmp_path)


def test_texts_are_needed_where_a_model_chooses_among_them(folders: dict[str, Path]) -> None:
    with pytest.raises(OptionError, match="pass them, as in load_model"):
        vl.load_model(folders["xclip"])


def test_weights_that_lack_something_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    config = transformers.VideoMAEConfig(
        **SMALL, **OF_CLASSES, patch_size=8, num_frames=4, tubelet_size=2
    )
    transformers.VideoMAEModel(config).save_pretrained(tmp_path)
    transformers.VideoMAEImageProcessor().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="before it was taught its labels"):
        vl.load_model(tmp_path)


def test_what_is_no_video_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"saved_model\.pb nor config\.json"):
        vl.load_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(WeightsError, match="bert model"):
        vl.load_model(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot read"):
        vl.load_model(tmp_path)


# ---------------------------------------------------------------- the Hub


class Hub(WebServer):
    """Plays the Hugging Face Hub, with one repository.

    Of the weights 10 kB come where `is_broken`, the first time; where `is_cut`, every time, and
    the connection is reset. A `status` other than 200 answers all that is asked.
    """

    def __init__(self, folder: Path, *, is_broken: bool = False, is_cut: bool = False) -> None:
        super().__init__()
        self.folder, self.is_broken, self.is_cut = folder, is_broken, is_cut
        self.status = 200

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.status != 200:
            request.send_error(self.status)
            return
        path, files = request.path.partition("?")[0], sorted(self.folder.iterdir())
        commit = "a" * 40
        if path.startswith("/api/models/someone/videomae"):
            entries: Any = [
                {"type": "file", "path": each.name, "rfilename": each.name,
                 "size": each.stat().st_size, "oid": "b" * 40}
                for each in files
            ]  # fmt: skip
            about = {"id": "someone/videomae", "sha": commit, "siblings": entries}
            self._send(request, json.dumps(entries if "/tree/" in path else about).encode(), {})
            return
        name = path.rpartition("/")[2]
        if name not in {each.name for each in files} or "/someone/videomae/" not in path:
            request.send_error(404)
            return
        data = (self.folder / name).read_bytes()
        self._send(request, data, {"ETag": f'"{len(data)}-{name}"', "X-Repo-Commit": commit})

    def _send(self, request: BaseHTTPRequestHandler, data: bytes, headers: dict[str, str]) -> None:
        request.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            request.send_header(key, value)
        request.end_headers()
        if request.command == "HEAD":
            return
        connection = request.connection
        if self.is_cut and len(data) > 20_000:
            request.wfile.write(data[:10_000])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(connection.detach())
        elif self.is_broken and len(data) > 20_000:
            self.is_broken = False
            request.wfile.write(data[:10_000])
            connection.close()
        else:
            request.wfile.write(data)


def load_in_a_new_process(endpoint: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return _in_a_new_process(
        "print(vl.load_model('transformers:someone/videomae').labels[1])", endpoint, cache
    )


def bring_in_a_new_process(endpoint: str, cache: Path) -> str:
    """Return where the repository lies, or the error."""
    code = (
        "from vidlab.models import download; "
        "print(download.hugging_face_directory('someone/videomae'))"
    )
    return _in_a_new_process(code, endpoint, cache).stdout.strip()


def _in_a_new_process(code: str, endpoint: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """The Hub's address is read when its library is imported, so each try has a process."""
    code = (
        "import vidlab as vl\n"
        "try:\n"
        f"    {code}\n"
        "except vl.VidlabError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    environment = {"HF_ENDPOINT": endpoint, "VIDLAB_CACHE": str(cache), "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], env={**_environment(), **environment},
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def test_a_repository_of_the_hub_comes_whole_or_not_at_all(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    with Hub(folders["videomae"], is_broken=True) as hub:
        address = hub.at("")
        first = load_in_a_new_process(address, tmp_path)
        second = load_in_a_new_process(address, tmp_path)
    assert not hub.is_broken
    assert "jogging" in first.stdout or "Run it again" in first.stdout, first.stdout + first.stderr
    assert second.stdout.strip() == "jogging", second.stdout + second.stderr
    third = load_in_a_new_process(address, tmp_path)  # the server is gone, the files are here
    assert third.stdout.strip() == "jogging", third.stdout + third.stderr


def test_what_came_before_a_cut_is_not_taken_for_the_whole(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    kept = tmp_path / "huggingface" / "someone--videomae"
    part = kept.with_name(f"{kept.name}.part")
    with Hub(folders["videomae"], is_cut=True) as hub:
        address = hub.at("")
        cut = bring_in_a_new_process(address, tmp_path)
        assert cut.startswith("DownloadError"), cut
        assert "Run it again" in cut
        assert (part / "config.json").is_file()
        hub.status = 503
        down = bring_in_a_new_process(address, tmp_path)
        assert down.startswith("DownloadError"), down
        assert "503" in down
        away = bring_in_a_new_process("http://127.0.0.1:9", tmp_path)
        assert away.startswith("OfflineError"), away
        assert not kept.exists()
        hub.status, hub.is_cut = 200, False
        assert bring_in_a_new_process(address, tmp_path) == str(kept)
    names = ["config.json", "model.safetensors", "preprocessor_config.json"]
    assert sorted(path.name for path in kept.iterdir()) == names
    for name in names:
        assert (kept / name).read_bytes() == (folders["videomae"] / name).read_bytes()
    assert not part.exists()


def test_without_a_network_it_is_said_what_to_put_where(tmp_path: Path) -> None:
    told = load_in_a_new_process("http://127.0.0.1:9", tmp_path).stdout
    assert told.startswith("OfflineError"), told
    assert "VIDLAB_MODELS" in told
