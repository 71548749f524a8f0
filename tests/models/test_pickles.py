"""PyTorch's files of weights that claim more than they hold, or would take for ever to be read."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import vidlab as vl
from vidlab.core.dependencies import require
from vidlab.core.errors import WeightsError
from vidlab.models import pickles, trial
from vidlab.models.pickles import read_pickle

WEIGHTS = {"kernel": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2)}


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process reads the file first: it takes seconds, and is another test's."""
    monkeypatch.setattr(pickles, "check_survived", lambda path, runtime: None)


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("pack", [dict, OrderedDict, lambda weights: {"state_dict": weights}])
def test_what_torch_saves_is_read(pack: Callable, is_zip: bool, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(pack(WEIGHTS), path, _use_new_zipfile_serialization=is_zip)
    found = read_pickle(path)
    assert list(found) == list(WEIGHTS)
    assert all(torch.equal(found[name], value) for name, value in WEIGHTS.items())


@pytest.mark.usefixtures("untried")
def test_tensors_that_share_their_numbers_are_read(tmp_path: Path) -> None:
    """Tied weights, and a part of a tensor that is kept whole."""
    shared = torch.arange(10.0)
    torch.save({"a": shared, "b": shared, "c": shared[2:5], "d": shared[:6].view(2, 3).t()},
               tmp_path / "weights.pt")  # fmt: skip
    assert read_pickle(tmp_path / "weights.pt")["d"].tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(1).expand(1_000_000), torch.eye(3).to_sparse(), torch.zeros(3, device="meta"),
        torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8), 3, [torch.zeros(3)], None,
    ],
    ids=["repeated", "sparse", "nothing", "quantized", "number", "list", "none"],
)  # fmt: skip
def test_what_is_no_tensor_with_all_its_numbers_is_refused(value: object, tmp_path: Path) -> None:
    torch.save(WEIGHTS | {"odd": value}, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=r"'odd' is no tensor|more than weights"):
        read_pickle(tmp_path / "weights.pt")


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("whole", [[torch.zeros(3)], {3: torch.zeros(3)}, {(1, 2): torch.zeros(3)}])
def test_what_is_no_state_dict_is_refused(whole: object, tmp_path: Path) -> None:
    torch.save(whole, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=r"not the state_dict\(\)"):
        read_pickle(tmp_path / "weights.pt")


@pytest.mark.usefixtures("untried")
def test_a_compressed_file_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(WEIGHTS | {"zeros": torch.zeros(1_000_000)}, tmp_path / "large.pt")
    with (
        zipfile.ZipFile(tmp_path / "large.pt") as large,
        zipfile.ZipFile(tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for name in large.namelist():
            small.writestr(name, large.read(name))
    assert torch.load(tmp_path / "small.pt", weights_only=True)["zeros"].shape == (1_000_000,)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(WeightsError, match="would become 4"):
        read_pickle(tmp_path / "small.pt")


def test_a_name_that_takes_for_ever_to_be_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pair of one pair twice, sixty deep: its hash takes 2 to the 60th steps."""
    name = b"K\x01q\x01"
    for depth in range(1, 61):
        name += b"h%c\x86q%c" % (depth, depth + 1)
    # The older format: a magic number, a version, the system, the object, the storages.
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    parts = [pickle.dumps(each, 2) for each in head]
    (tmp_path / "weights.pt").write_bytes(
        b"".join([*parts, b"\x80\x02}" + name + b"K\x01s.", pickle.dumps([], 2)])
    )
    monkeypatch.setattr(trial, "CPU_SECONDS", 1)
    with pytest.raises(WeightsError, match=r"made to do harm: PyTorch ended with status -"):
        read_pickle(tmp_path / "weights.pt")


@pytest.mark.usefixtures("untried")
def test_a_bias_of_millions_builds_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many classes there are is told by the last tensor; the others must agree."""
    models = require("torchvision.models", why="this test")
    build, built = models.get_model, []

    def noted(*args: object, **options: object) -> torch.nn.Module:
        built.append(torch.get_default_device().type)
        return build(*args, **options)

    monkeypatch.setattr(models, "get_model", noted)
    card = vl.ModelCard(
        name="squeezenet1_1", title="Squeeze", family="torchvision", kind="frame", layout="BCHW",
        preprocessing=vl.Preprocessing(height_px=64, width_px=64),
    )  # fmt: skip
    state = build("squeezenet1_1", num_classes=5).state_dict()
    torch.save(state, tmp_path / "good.pth")
    model = vl.load_model(tmp_path / "good.pth", card=card, backend="torch")
    logits, _ = model.step(np.ones((1, 64, 64, 3), np.float32), model.init_state())
    assert logits.shape == (1, 5)
    assert built == ["meta", "cpu"]
    *_, last = state
    state[last] = torch.zeros(3_000_000)
    torch.save(state, tmp_path / "bad.pth")
    with pytest.raises(WeightsError, match="does not hold the weights"):
        vl.load_model(tmp_path / "bad.pth", card=card, backend="torch")
    assert built[2:] == ["meta"]


@pytest.mark.usefixtures("untried")
def test_half_a_file_is_refused(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "weights.pt")
    (tmp_path / "half.pt").write_bytes((tmp_path / "weights.pt").read_bytes()[:600])
    with pytest.raises(WeightsError, match="damaged"):
        read_pickle(tmp_path / "half.pt")
