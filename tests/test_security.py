"""What comes from outside is read, never obeyed: addresses, playlists, pickles, graphs."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from web_server import WebServer

import vidlab as vl
from vidlab.core.addresses import refusal
from vidlab.core.errors import (
    CameraError,
    DownloadError,
    OptionError,
    VideoError,
    VideoOpenError,
    VidlabError,
    WeightsError,
)
from vidlab.core.files import inside
from vidlab.live.sources import StreamSource
from vidlab.models.card import Variant
from vidlab.models.download import download, hub_directory
from vidlab.models.lookup import cache_path, check, find

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = "192.0.43.8"  # any address that is nobody's in this house


class Site(WebServer):
    """Serves `pages`: bytes, or an address to be redirected to; notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[str, bytes | str] = {}
        self.asked: list[tuple[str, str | None]] = []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append((request.path, request.headers.get("Authorization")))
        found = self.pages.get(request.path)
        if isinstance(found, str):
            request.send_response(302)
            request.send_header("Location", found)
            request.send_header("Content-Length", "0")
            request.end_headers()
        elif found is None:
            request.send_error(404)
        else:
            request.send_response(200)
            request.send_header("Content-Length", str(len(found)))
            request.end_headers()
            request.wfile.write(found)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What names stand for, in place of the network's own answers."""
    known: dict[str, str] = {}
    ask = socket.getaddrinfo

    def answer(host, *rest, **options):
        return ask(known.get(host, host), *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


def clip(format_: str = "mpegts") -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=format_) as out:
        stream = out.add_stream("mpeg2video", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for pts in range(5):
            picture = av.VideoFrame(64, 48, "yuv420p")
            picture.pts = pts
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return file.getvalue()


# ---- addresses -----------------------------------------------------------------------------------

METADATA = [
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",  # the same as one number
    "http://0xA9FEA9FE/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://name:password@169.254.169.254/",
]


@pytest.mark.parametrize("url", METADATA)
def test_link_local_addresses_are_never_asked(url: str, tmp_path: Path) -> None:
    for read in (
        lambda: vl.Video(url),
        lambda: download(url, tmp_path / "file", sha256=None, title="it"),
        lambda: hub_directory(url),
        lambda: next(StreamSource(url).pictures(threading.Event(), lambda *words: None)),
    ):
        with pytest.raises(VidlabError, match="link-local"):
            read()
    assert not (tmp_path / "file").exists()


def test_a_name_that_stands_for_a_link_local_address_is_not_asked(names: dict[str, str]) -> None:
    names["models.example"] = "169.254.169.254"
    with pytest.raises(VideoOpenError, match=r"models\.example is a link-local address"):
        vl.Video("http://models.example/clip.mp4")
    with pytest.raises(CameraError, match="link-local"):
        next(StreamSource("rtsp://models.example/1").pictures(threading.Event(), print))


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://h/x", "data:video/mp4,x", "concat:a|b", "subfile,,start,0:x",
     "gopher://h", "http://", "http://0.0.0.0/", "http://224.0.0.1/", "http://h:99999/", "//h"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(url: str, tmp_path: Path) -> None:
    assert refusal(url)
    with pytest.raises(DownloadError):
        download(url, tmp_path / "file", sha256=None, title="it")
    with pytest.raises(VideoError):
        vl.Video(url)


def test_this_machine_may_be_asked_where_somebody_typed_it() -> None:
    for url in ("http://127.0.0.1:8000/x", "http://[::1]/x", "https://192.168.1.9/x"):
        assert refusal(url) is None


def test_a_public_server_does_not_lead_into_the_house(names: dict[str, str]) -> None:
    names["public.example"] = PUBLIC
    for address in ("http://127.0.0.1/x", "http://10.0.0.5/x", "http://[fd12::1]/x"):
        why = refusal(address, came_from="http://public.example/a")
        assert why is not None
        assert "own network" in why
    assert refusal(f"http://{PUBLIC}/b", came_from="http://public.example/a") is None
    assert refusal("http://127.0.0.1:2/x", came_from="http://127.0.0.1:1/") is None


@pytest.mark.parametrize("there", ["http://169.254.169.254/keys", "ftp://127.0.0.1/x"])
def test_redirections_are_looked_at(site: Site, there: str, tmp_path: Path) -> None:
    site.pages |= {"/first": site.at("/second"), "/second": there}
    for read in (
        lambda: vl.Video(site.at("/first")),
        lambda: download(site.at("/first"), tmp_path / "file", sha256=None, title="it"),
        lambda: next(StreamSource(site.at("/first")).pictures(threading.Event(), print)),
    ):
        with pytest.raises((VideoError, DownloadError), match="not asked"):
            read()
    assert not (tmp_path / "file").exists()


def test_allowed_redirections_are_followed(site: Site, tmp_path: Path) -> None:
    site.pages |= {"/first": "/second", "/second": "/clip.ts", "/clip.ts": clip()}
    assert vl.Video(site.at("/first")).width == 64
    download(site.at("/first"), tmp_path / "file", sha256=None, title="it")
    assert (tmp_path / "file").read_bytes() == site.pages["/clip.ts"]
    pictures = StreamSource(site.at("/first")).pictures(threading.Event(), lambda *words: None)
    assert next(pictures).make_rgb().shape == (48, 64, 3)
    pictures.close()


def test_a_password_goes_to_its_own_server_alone(site: Site) -> None:
    with Site() as other:
        site.pages |= {"/first": "/second", "/second": other.at("/clip.ts")}
        other.pages["/clip.ts"] = clip()
        vl.Video(site.at("/first").replace("//", "//name:word@"))
    assert ("/second", "Basic bmFtZTp3b3Jk") in site.asked
    assert {password for _, password in other.asked} == {None}


# ---- files that name other files -----------------------------------------------------------------


def playlists(segment: str) -> dict[str, str]:
    seconds = "#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"
    return {
        "list.m3u8": f"#EXTM3U\n{seconds}{segment}\n#EXT-X-ENDLIST\n",
        "key.m3u8": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{segment}"\n{seconds}a.ts\n',
        "list.ffconcat": f"ffconcat version 1.0\nfile '{segment}'\n",
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 33\n",
        "list.mpd": '<?xml version="1.0"?>\n<MPD type="static"><Period><AdaptationSet>'
        f'<Representation id="1" mimeType="video/mp2t"><BaseURL>{segment}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>",
    }


@pytest.mark.parametrize("name", playlists(""))
@pytest.mark.parametrize("called", ["clip.mp4", None])
def test_a_file_opens_no_other_file_and_no_address(
    name: str, called: str | None, site: Site, tmp_path: Path
) -> None:
    site.pages["/other.ts"] = clip()
    (tmp_path / "other.ts").write_bytes(clip())
    for segment in ("other.ts", str(tmp_path / "other.ts"), f"file:{tmp_path}/other.ts",
                    site.at("/other.ts")):  # fmt: skip
        path = tmp_path / (called or name)
        path.write_text(playlists(segment)[name], encoding="utf-8")
        for source in (path, path.read_bytes()):
            with pytest.raises(VideoOpenError, match="it is a playlist, which names other files"):
                vl.Video(source)
    assert site.asked == []


def test_a_playlist_on_a_server_is_no_video(site: Site) -> None:
    site.pages |= {
        "/list.m3u8": playlists(site.at("/other.ts"))["list.m3u8"].encode(),
        "/other.ts": clip(),
    }
    with pytest.raises(VideoOpenError):
        vl.Video(site.at("/list.m3u8"))
    assert "/other.ts" not in [path for path, _ in site.asked]


# ---- names that lead elsewhere -------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["../weights", "a/../../b", "/etc/passwd", "..\\b", "C:\\b", "C:b", "\\b", "a\0b", "a\nb",
     "a\x1b[2J", "a\u202eb", ""],
)  # fmt: skip
def test_a_card_names_no_file_outside_its_folder(name: str, tmp_path: Path) -> None:
    folder = Variant(name="a", precision="", format="savedmodel", file="a", members={name: "00"})
    variant = Variant(name="a", precision="", format="litert", file=name)
    for use in (
        lambda: find(variant),
        lambda: cache_path(variant),
        lambda: check(folder, tmp_path),
    ):
        with pytest.raises(OptionError, match="inside its folder"):
            use()


def test_a_card_may_name_files_in_folders_below(tmp_path: Path) -> None:
    assert inside(tmp_path, "variables/variables.index").parent == tmp_path / "variables"
    assert inside(tmp_path, "..a b..").name == "..a b.."


@pytest.mark.parametrize("backend", ["onnx", "opencv", "openvino"])
@pytest.mark.parametrize("kind", ["up", "absolute", "link"])
def test_a_network_reads_no_file_outside_its_folder(
    backend: str, kind: str, tmp_path: Path
) -> None:
    """The weights of an ONNX file may be in files of their own, which it names."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip({"onnx": "onnxruntime", "opencv": "cv2"}.get(backend, backend))
    folder, secret = tmp_path / "model", tmp_path / "secret"
    folder.mkdir()
    for path in (secret, folder / "beside"):
        path.write_bytes(np.arange(5, dtype=np.float32).tobytes())
    (folder / "link").symlink_to("../secret")
    outside = {"up": "../secret", "absolute": str(secret), "link": "link"}[kind]
    for name in ("beside", outside):
        path = folder / f"{Path(name).name}.onnx"
        path.write_bytes(brightness(onnx, name).SerializeToString())
        card = vl.ModelCard(
            name="mine", title="Mine", family="own", kind="frame", layout="BCHW",
            preprocessing=vl.Preprocessing(height_px=8, width_px=8),
        )  # fmt: skip
        if name == "beside":
            model = vl.load_model(path, card=card, backend=backend)
            frames = np.zeros((1, 8, 8, 3), np.float32)
            assert model.step(frames, model.init_state())[0].tolist() == [[0, 1, 2, 3, 4]]
        else:
            with pytest.raises(WeightsError):
                vl.load_model(path, card=card, backend=backend)


def brightness(onnx: Any, bias_file: str) -> Any:
    """Return a network whose five logits are its bias, which lies in a file, where it is dark."""
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    bias = onnx.TensorProto(
        name="bias", dims=[5], data_type=real, data_location=onnx.TensorProto.EXTERNAL
    )
    for key, value in (("location", bias_file), ("offset", "0"), ("length", "20")):
        bias.external_data.add(key=key, value=value)
    head = helper.make_tensor("head", real, [192, 5], np.ones(960).tolist())
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head", "bias"], ["y"]),
    ]
    pictures = [helper.make_tensor_value_info("x", real, [1, 3, 8, 8])]
    answers = [helper.make_tensor_value_info("y", real, [1, 5])]
    graph = helper.make_graph(nodes, "brightness", pictures, answers, [head, bias])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


# ---- nothing from outside is run -----------------------------------------------------------------


class Payload:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self._mark),))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "it-ran"


def test_the_payload_works(mark: Path) -> None:
    pickle.loads(pickle.dumps(Payload(mark)))
    assert mark.exists()


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.bin", "model.ckpt"])
def test_a_pickle_in_a_weights_file_is_not_run(name: str, mark: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"weight": Payload(mark)}, tmp_path / name)
    for options in ({}, {"card": "movinet-a0-stream"}, {"card": "r3d-18", "backend": "torch"}):
        with pytest.raises(VidlabError):
            vl.load_model(tmp_path / name, **options)
    assert not mark.exists()


def test_a_pickle_in_a_transformers_directory_is_not_run(mark: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    folder = videomae_folder(tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Payload(mark)}, folder / "pytorch_model.bin")
    with pytest.raises(VidlabError):
        vl.load_model(folder)
    assert not mark.exists()


def test_python_in_a_transformers_directory_is_not_run(mark: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    folder = videomae_folder(tmp_path)
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    settings["model_type"] = "not-known"
    settings["auto_map"] = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "evil.py").write_text(f"import os\nos.mkdir({str(mark)!r})\n", encoding="utf-8")
    with pytest.raises(VidlabError, match="cannot read"):
        vl.load_model(folder)
    assert not mark.exists()


def videomae_folder(tmp_path: Path) -> Path:
    import tiny_transformers

    folder = tmp_path / "model"
    tiny_transformers.videomae(folder)
    return folder


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_python_in_a_keras_file_is_not_run(name: str, mark: Path, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")

    # A lambda is kept as its code, with what it closes over: the path.
    where = str(mark)
    layer = keras.layers.Lambda(
        lambda values: (__import__("os").makedirs(where, exist_ok=True), values)[1]
    )
    taken = keras.Input((8, 8, 3))
    network = keras.Model(taken, keras.layers.GlobalAveragePooling2D()(layer(taken)))
    assert mark.exists()  # building it ran the code
    network.save(tmp_path / name)
    mark.rmdir()
    with pytest.raises(VidlabError, match="Lambda"):
        vl.load_model(tmp_path / name, card="mobilenet-v3-large")
    assert not mark.exists()


def test_a_saved_model_that_writes_files_is_not_loaded(mark: Path, tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")

    class Writing(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None, 8, 8, 3], tf.float32)])
        def __call__(self, image):
            tf.io.write_file(str(mark), "x")
            return tf.reduce_mean(image, [1, 2, 3])

    module, folder = Writing(), tmp_path / "model"
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.__call__})
    with pytest.raises(VidlabError, match="the operation WriteFile"):
        vl.load_model(folder, card="movinet-a0-stream", backend="tfhub")
    assert not mark.exists()


def test_nothing_in_the_sources_unpickles_or_evaluates() -> None:
    """Each place that could, by name; a new one is looked at here first."""
    risky = re.compile(
        r"(?<![\w.])(pickle\.loads?|allow_pickle|joblib|yaml\.load\(|marshal\.|shelve\.|dill\."
        r"|torch\.load\(|trust_remote_code|safe_mode|np\.load\(|eval\((?!\))|exec\()"
    )
    found = {
        (path.relative_to(ROOT / "vidlab").as_posix(), hit.group())
        for path in (ROOT / "vidlab").rglob("*.py")
        for hit in risky.finditer(path.read_text(encoding="utf-8"))
    }
    assert found == {
        ("models/backends/keras_backend.py", "safe_mode"),
        ("models/backends/transformers_backend.py", "trust_remote_code"),
        ("models/pickles.py", "torch.load("),
        ("models/trial.py", "torch.load("),
        # What vidlab's own processes send each other.
        ("many/dask_engine.py", "pickle.loads"),
        ("many/local.py", "pickle.load"),
        ("models/memory.py", "pickle.load"),
        # What it keeps between the parts of a long video.
        ("many/checkpoints.py", "np.load("),
        ("many/checkpoints.py", "allow_pickle"),
    }
    text = (ROOT / "vidlab" / "many" / "checkpoints.py").read_text(encoding="utf-8")
    assert text.count("np.load(") == text.count("allow_pickle=False)")
    for path in ("models/pickles.py", "models/trial.py"):
        text = (ROOT / "vidlab" / path).read_text(encoding="utf-8")
        assert text.count("torch.load(") == text.count('map_location="cpu", weights_only=True)')


# ---- SECURITY.md ---------------------------------------------------------------------------------


def test_every_promise_has_a_test_that_is_there() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    promised = text.split("## What is held", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in promised.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(lines) > 15
    for line in lines[1:]:
        named = re.findall(r"`(tests/[\w/]+\.py)::(?:Test\w+::)?(test_\w+)`", line)
        (path, name), *_ = named or [("", "")]
        assert path, line
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), line
