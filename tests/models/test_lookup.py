"""Where weights are found, and what is said when they are not."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

import vidlab as vl
from vidlab.core.errors import (
    DownloadError,
    OptionError,
    UnknownModelError,
    WeightsError,
    WeightsNotFoundError,
)
from vidlab.models import lookup
from vidlab.models.card import Variant, card_named
from vidlab.models.loading import _card_like

CARD = card_named("movinet-a0-stream")
INT8 = CARD.variant("int8")
SAVED_MODEL = CARD.variant("dequantised")


@pytest.fixture
def own_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty mirror directory that VIDLAB_MODELS names."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("VIDLAB_MODELS", str(folder))
    return folder


def test_a_mirror_needs_no_index(own_mirror: Path, mirror: Path, cache: Path) -> None:
    assert lookup.find(INT8) is None
    shutil.copy(mirror / INT8.file, own_mirror)
    found = lookup.find(INT8)
    assert found is not None
    assert found.place == "mirror"
    assert found.path == own_mirror / INT8.file


def test_a_renamed_file_is_known_by_its_checksum(
    own_mirror: Path, mirror: Path, cache: Path
) -> None:
    shutil.copy(mirror / INT8.file, own_mirror / "my model.tflite")
    found = lookup.find(INT8)
    assert found is not None
    assert found.path.name == "my model.tflite"


def test_the_beginning_of_a_checksum_is_enough(own_mirror: Path, cache: Path) -> None:
    """Publishers of PyTorch weights give the first eight digits only."""
    content = b"some weights"
    sha256 = hashlib.sha256(content).hexdigest()
    variant = Variant(
        name="float", precision="float32", format="pytorch", file="r3d.pth",
        size_bytes=len(content), sha256=sha256[:8],
    )  # fmt: skip
    (own_mirror / "other.pth").write_bytes(content[::-1])
    assert lookup.find(variant) is None
    (own_mirror / "renamed.pth").write_bytes(content)
    found = lookup.find(variant)
    assert found is not None
    assert found.path.name == "renamed.pth"
    assert lookup.same_checksum(sha256, sha256[:8].upper())
    assert not lookup.same_checksum(sha256, sha256[1:9])
    assert not lookup.same_checksum(sha256, None)


def test_the_cache_comes_after_the_mirror(own_mirror: Path, mirror: Path, cache: Path) -> None:
    (cache / "models").mkdir(parents=True)
    shutil.copy(mirror / INT8.file, cache / "models")
    found = lookup.find(INT8)
    assert found is not None
    assert found.place == "cache"
    shutil.copy(mirror / INT8.file, own_mirror)
    again = lookup.find(INT8)
    assert again is not None
    assert again.place == "mirror"


def test_the_package_comes_last(
    own_mirror: Path, mirror: Path, cache: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(lookup, "PACKAGE_WEIGHTS", tmp_path / "weights")
    assert lookup.find(INT8) is None
    (tmp_path / "weights").mkdir()
    shutil.copy(mirror / INT8.file, tmp_path / "weights")
    monkeypatch.setattr("urllib.request.urlopen", _no_network)
    assert vl.load_model("litert:movinet-a0-stream").provenance.place == "package"
    table = vl.list_models()
    assert table[table["here"]]["place"].tolist() == ["package"]
    (cache / "models").mkdir(parents=True)
    shutil.copy(mirror / INT8.file, cache / "models")
    found = lookup.find(INT8)
    assert found is not None
    assert found.place == "cache"


def test_a_file_with_the_right_name_and_the_wrong_content_is_refused(
    own_mirror: Path, cache: Path
) -> None:
    (own_mirror / INT8.file).write_bytes(b"TFL3 but not this")
    with pytest.raises(WeightsError, match="not what its card describes"):
        vl.load_model("litert:movinet-a0-stream")


def test_a_saved_model_is_checked_member_by_member(
    own_mirror: Path, mirror: Path, cache: Path
) -> None:
    folder = own_mirror / SAVED_MODEL.file
    shutil.copytree(mirror / SAVED_MODEL.file, folder)
    found = lookup.find(SAVED_MODEL)
    assert found is not None
    (folder / "variables").chmod(0o755)
    index = folder / "variables" / "variables.index"
    index.chmod(0o644)
    index.unlink()
    with pytest.raises(WeightsNotFoundError, match="incomplete"):
        lookup.find(SAVED_MODEL)


def test_a_mirror_that_is_not_there_is_told(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(tmp_path / "absent"))
    with pytest.raises(WeightsNotFoundError, match="not a directory"):
        vl.load_model("litert:movinet-a0-stream")


def test_weights_that_are_nowhere_name_the_mirror_and_the_file(
    monkeypatch, tmp_path: Path, cache: Path
) -> None:
    monkeypatch.delenv("VIDLAB_MODELS", raising=False)
    monkeypatch.setattr("vidlab.models.download._TIMEOUT_SECONDS", 2.0)
    monkeypatch.setattr("urllib.request.urlopen", _no_network)
    with pytest.raises(DownloadError, match=f"put {INT8.file} into a directory.*VIDLAB_MODELS"):
        vl.load_model("litert:movinet-a0-stream")


def _no_network(*args: object, **options: object) -> None:
    import urllib.error

    raise urllib.error.URLError("no route to host")


def test_list_models_says_what_is_here(own_mirror: Path, mirror: Path, cache: Path) -> None:
    table = vl.list_models()
    shipped = set(table.loc[table["place"] == "package", "name"])
    assert shipped == {each for each in table["name"] if each.startswith("stickactions-")}
    assert table["here"].sum() == (table["place"] == "package").sum()
    shutil.copy(mirror / INT8.file, own_mirror)
    table = vl.list_models()
    here = table[table["here"] & (table["place"] != "package")]
    assert here[["name", "variant", "place"]].values.tolist() == [
        ["movinet-a0-stream", "int8", "mirror"]
    ]
    assert here["backends"].tolist() == ["torch, litert, openvino"]


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("movinet-a0-steam", {}, UnknownModelError, "Did you mean 'movinet-a0-stream'"),
        ("no/such/file.tflite", {}, UnknownModelError, "no file or directory"),
        ("movinet-a0-stream", {"backend": "tflite"}, OptionError, "one of torch, litert, tfhub"),
        ("litert:movinet-a0-stream", {"backend": "torch"}, OptionError, "asks for litert"),
        ("movinet-a0-stream", {"variant": "int4"}, OptionError, "no variant 'int4'"),
        ("litert:movinet-a0-base", {}, OptionError, "no variant has a format"),
        ("movinet-a0-stream", {"num_threads": 0}, OptionError, "num_threads"),
        ("movinet-a0-stream", {"num_threads": 99999}, OptionError, "at most 256"),
        ("movinet-a0-stream", {"card": "movinet-a0-stream"}, OptionError, "is a card itself"),
        ("movinet-a0-stream", {"labels": 3}, OptionError, "labels= takes"),
        ("models/movinet/tflite/a0.tflite", {}, UnknownModelError, "no file or directory"),
        ("torch:", {}, UnknownModelError, "empty name"),
        (3, {}, OptionError, "A path was expected"),
        ("movinet-a0-stream", {"max_results": -1}, OptionError, "max_results"),
    ],
)
def test_bad_requests_are_refused(name, options, error, message) -> None:
    with pytest.raises(error, match=message):
        vl.load_model(name, **options)


def test_one_bad_file_does_not_hide_the_list(own_mirror: Path, cache: Path) -> None:
    (own_mirror / INT8.file).write_bytes(b"TFL3 but not this")
    table = vl.list_models().set_index(["name", "variant"])
    assert "damaged" in table.loc[("movinet-a0-stream", "int8"), "note"]
    assert len(table) > 10


def test_an_incomplete_directory_does_not_hide_the_list(
    own_mirror: Path, mirror: Path, cache: Path
) -> None:
    folder = own_mirror / SAVED_MODEL.file
    folder.mkdir()
    shutil.copy(mirror / SAVED_MODEL.file / "saved_model.pb", folder)
    table = vl.list_models().set_index(["name", "variant"])
    row = table.loc[("movinet-a0-stream", SAVED_MODEL.name)]
    assert (row["here"], row["checked"]) == (False, "damaged")
    assert "incomplete" in row["note"]
    assert len(table) > 10


def test_a_list_needs_the_mirror_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VIDLAB_MODELS", str(tmp_path / "absent"))
    with pytest.raises(WeightsNotFoundError, match="not a directory"):
        vl.list_models()


def test_files_that_are_no_model_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a model at all")
    with pytest.raises(UnknownModelError, match="neither a LiteRT file"):
        vl.load_model(text)
    with pytest.raises(UnknownModelError, match=r"neither saved_model\.pb nor config\.json"):
        vl.load_model(tmp_path)
    fake = tmp_path / "fake.tflite"
    fake.write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    with pytest.raises(WeightsError, match="not a LiteRT model"):
        vl.load_model(fake)


def test_another_litert_file_than_a_stream_is_refused(mirror: Path) -> None:
    path = mirror / "movenet_single_pose_lightning_ptq.tflite"
    with pytest.raises(WeightsError, match="image of shape"):
        vl.load_model(path, card="movinet-a0-stream")


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("google/movinet/tensorFlow2/a2-stream-kinetics-600-classification/3", "movinet-a2-stream"),
        ("https://tfhub.dev/tensorflow/movinet/a5/base/kinetics-600/1", "movinet-a5-base"),
        ("weights/movinet_a1_stream_mine", "movinet-a1-stream"),
        ("weights/mine", None),
    ],
)
def test_a_handle_or_path_may_name_its_card(name: str, card: str | None) -> None:
    found = _card_like(name)
    assert (found.name if found else None) == card
