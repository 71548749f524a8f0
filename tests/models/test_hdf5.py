"""Keras' ``.h5`` and ``.keras`` files that claim more than they hold, or become more than that."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from vidlab.core.errors import WeightsError
from vidlab.models import trial
from vidlab.models.backends.keras_backend import load_keras

SIDE = 8
MEBIBYTE = 1 << 20
LONG = 0x111111  # bytes without a zero are found in a file

Change = Callable[[h5py.File], object]


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is not opened in this process."""
    monkeypatch.setattr(
        keras.saving, "load_model", lambda *_, **__: pytest.fail("Keras opened the file")
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A classifier as Keras saves it, with what it was trained with."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.layers.Input((SIDE, SIDE, 3)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(5, name="last"),
        ]
    )
    network.compile(optimizer="adam", loss="mse")
    network.fit(np.zeros((1, SIDE, SIDE, 3)), np.zeros((1, 5)), verbose=0)
    path = tmp_path_factory.mktemp("saved") / "model.h5"
    network.save(path)
    return path.read_bytes()


@pytest.fixture
def path(saved: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "model.h5"
    path.write_bytes(saved)
    return path


def changed(path: Path, change: Change) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def last_layer(file: h5py.File) -> h5py.Group:
    return file["model_weights/last"]


def kernel_name(file: h5py.File) -> str:
    (name,) = (name for name in last_layer(file).attrs["weight_names"] if "kernel" in str(name))
    return name.decode() if isinstance(name, bytes) else name


def put_kernel(file: h5py.File, shape: tuple[int, ...], **options: object) -> h5py.Dataset:
    """Put float32 numbers of another shape in place of the kernel's."""
    layer, name = last_layer(file), kernel_name(file)
    del layer[name]
    return layer.create_dataset(name, shape, np.float32, **options)


# ---- what is read ----------------------------------------------------------------------------


def packed(file: h5py.File) -> None:
    """As tools pack a file anew."""
    values = last_layer(file)[kernel_name(file)][()]
    put_kernel(file, values.shape, data=values, compression="gzip")


def in_pieces(file: h5py.File) -> None:
    """As Keras says the names of very many weights: in several attributes."""
    attributes = last_layer(file).attrs
    for place, name in enumerate(attributes["weight_names"]):
        attributes[f"weight_names{place}"] = [name]
    del attributes["weight_names"]


@pytest.mark.parametrize("change", [lambda file: None, packed, in_pieces])
def test_good_files_are_read(change: Change, path: Path) -> None:
    pictures = np.ones((1, SIDE, SIDE, 3), np.float32)
    wanted = keras.saving.load_model(path, compile=False)(pictures).numpy()
    network = load_keras(changed(path, change), num_threads=1)
    np.testing.assert_array_equal(network(pictures).numpy(), wanted)


# ---- what claims or becomes more than it is --------------------------------------------------


def nowhere(file: h5py.File) -> None:
    """Zeros that are said to be there and were never written."""
    put_kernel(file, (500, MEBIBYTE))


def packed_zeros(file: h5py.File) -> None:
    rows = put_kernel(file, (500, MEBIBYTE), chunks=(4, MEBIBYTE), compression="gzip")
    chunk = zlib.compress(bytes(16 * MEBIBYTE))
    for row in range(0, 500, 4):
        rows.id.write_direct_chunk((row, 0), chunk)


def overfull(file: h5py.File) -> None:
    """A quarter of a megabyte, packed, of which a gigabyte comes."""
    numbers = put_kernel(file, (1 << 16,), chunks=(1 << 16,), compression="gzip")
    packer = zlib.compressobj(1)
    parts = [packer.compress(bytes(16 * MEBIBYTE)) for _ in range(64)]
    numbers.id.write_direct_chunk((0,), b"".join([*parts, packer.flush()]))


def named_often(file: h5py.File) -> None:
    """Numbers that are there, and that a layer has a hundred times."""
    put_kernel(file, (2, MEBIBYTE), data=np.ones((2, MEBIBYTE), np.float32))
    last_layer(file).attrs["weight_names"] = [kernel_name(file)] * 100


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("change", [nowhere, packed_zeros, overfull, named_often])
def test_numbers_that_become_far_more_than_the_file_are_refused(change: Change, path: Path) -> None:
    changed(path, change)
    assert path.stat().st_size < 10 * MEBIBYTE
    with pytest.raises(WeightsError, match="made to do harm: HDF5 ended with status 1 "):
        load_keras(path, num_threads=1)


def repacked(path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """Save a ``.keras`` file of the network beside it, change its parts and compress them."""
    plain, packed = path.with_name("plain.keras"), path.with_name("packed.keras")
    keras.saving.load_model(path, compile=False).save(plain)
    with zipfile.ZipFile(plain) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return packed


def roomy_config(parts: dict[str, bytes]) -> None:
    parts["config.json"] += b" " * (300 * MEBIBYTE)


def roomy_weights(parts: dict[str, bytes]) -> None:
    parts["model.weights.h5"] += bytes(300 * MEBIBYTE)


def weights_nowhere(parts: dict[str, bytes]) -> None:
    """Zeros that are said to be there and were never written, in place of the bias."""
    held = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(held, "r+") as file:
        numbers = file["layers/dense/vars"]
        del numbers["1"]
        numbers.create_dataset("1", (500, MEBIBYTE), np.float32)
    parts["model.weights.h5"] = held.getvalue()


@pytest.mark.parametrize("change", [roomy_config, roomy_weights, weights_nowhere])
def test_an_archive_that_becomes_far_more_than_it_is_is_refused(
    change: Callable[[dict[str, bytes]], object], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = repacked(path, change)
    assert archive.stat().st_size < 10 * MEBIBYTE
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(WeightsError, match="made to do harm: HDF5 ended with status 1 "):
        load_keras(archive, num_threads=1)


def test_a_good_archive_is_read(path: Path) -> None:
    assert load_keras(repacked(path, lambda parts: None), num_threads=1).output_shape == (None, 5)


def place_of_text(data: bytes, name: str, length: int) -> int:
    """Return where an attribute says how long its first text is, and then where that lies."""
    return data.index(length.to_bytes(4, "little"), data.index(name.encode() + b"\0"))


@pytest.mark.usefixtures("untouched")
def test_a_text_said_to_be_longer_than_the_file_is_refused(path: Path, saved: bytes) -> None:
    """HDF5 makes room for all of it, and fills that, before it sees that there is less."""
    with h5py.File(path) as file:
        length = len(file.attrs["model_config"])
    place = place_of_text(saved, "model_config", length) + 3
    path.write_bytes(saved[:place] + b"\x5d" + saved[place + 1 :])
    with (
        h5py.File(path) as file,
        pytest.raises(OSError, match="heap object size does not match"),
    ):
        file.attrs["model_config"]
    with pytest.raises(WeightsError, match="made to do harm: HDF5 ended with status 1 "):
        load_keras(path, num_threads=1)


@pytest.mark.usefixtures("untouched")
def test_a_text_that_is_named_a_thousand_times_is_refused(path: Path) -> None:
    """It lies in the file once and would be read as often."""

    def texts(file: h5py.File) -> None:
        file.attrs.create("long", "x" * LONG, dtype=h5py.string_dtype())
        file["model_weights"].attrs.create("names", ["y" * 77] * 1000, dtype=h5py.string_dtype())

    data = changed(path, texts).read_bytes()
    long, names = place_of_text(data, "long", LONG), place_of_text(data, "names", 77)
    data = data[:names] + 1000 * data[long : long + 16] + data[names + 16_000 :]
    path.write_bytes(data)
    with h5py.File(path) as file:
        assert file["model_weights"].attrs.get_id("names").shape == (1000,)
    with pytest.raises(WeightsError, match="made to do harm: HDF5 ended with status 1 "):
        load_keras(path, num_threads=1)


@pytest.mark.usefixtures("untouched")
def test_a_file_that_ends_the_process_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_survived", set())
    monkeypatch.setattr(trial, "_PROGRAM", f"{trial._PROGRAM}\nimport os\nos.abort()\n")
    with pytest.raises(WeightsError, match="made to do harm: HDF5 ended with status -6 "):
        load_keras(path, num_threads=1)


# ---- what Keras says itself ------------------------------------------------------------------


def without_config(file: h5py.File) -> None:
    del file.attrs["model_config"]


def linked(file: h5py.File) -> None:
    layer, name = last_layer(file), kernel_name(file)
    del layer[name]
    layer[name] = h5py.ExternalLink("other.h5", "/kernel")


def kept_elsewhere(file: h5py.File) -> None:
    put_kernel(file, (3, 5), external=[("other.bin", 0, 60)])


def missing(file: h5py.File) -> None:
    del last_layer(file)[kernel_name(file)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_config, "No model config found"), (linked, "H5 file with ExternalLink"),
        (kept_elsewhere, "external Dataset"), (missing, "kernel"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_sound_file_is_said_by_keras(
    change: Change, told: str, path: Path
) -> None:
    with pytest.raises(WeightsError, match=f"is not a Keras model: .*{told}"):
        load_keras(changed(path, change), num_threads=1)


@pytest.mark.parametrize(
    ("cut", "told"), [(lambda data: data[:-9], "truncated"), (lambda data: b"x", "signature")]
)
def test_what_is_no_whole_file_is_said_by_keras(
    cut: Callable[[bytes], bytes], told: str, path: Path, saved: bytes
) -> None:
    path.write_bytes(cut(saved))
    with pytest.raises(WeightsError, match=f"is not a Keras model: .*{told}"):
        load_keras(path, num_threads=1)
