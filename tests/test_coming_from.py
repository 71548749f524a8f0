"""What docs/coming_from.md says is run as it stands."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "coming_from.md"
PARTS = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S)
MOST_LINES = 10


@pytest.mark.parametrize(("title", "text"), PARTS, ids=[title for title, _ in PARTS])
def test_what_the_page_says_works(
    title: str, text: str, mirror: Path, shared_data: Path, tmp_path: Path, capsys
) -> None:
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) < MOST_LINES
    names = {"video": str(shared_data / "clips" / "carving_ice.mp4")}
    if "onnx_file" in code or "network" in code:
        names["network"] = torch.nn.Sequential(
            torch.nn.AdaptiveAvgPool3d((4, 4, 4)), torch.nn.Flatten(), torch.nn.Linear(192, 400)
        ).eval()
    if "onnx_file" in code:
        names["onnx_file"] = str(tmp_path / "resnet.onnx")
        pool = torch.nn.Conv3d(3, 8, (16, 112, 112))
        plain = torch.nn.Sequential(pool, torch.nn.Flatten(), torch.nn.Linear(8, 400)).eval()
        example = (torch.zeros(1, 3, 16, 112, 112),)
        torch.onnx.export(plain, example, names["onnx_file"], dynamo=False)
    if "load_model(folder)" in code:
        pytest.importorskip("transformers")
        from tiny_transformers import MAKERS

        names["folder"] = str(tmp_path / "videomae")
        MAKERS["videomae"](tmp_path / "videomae")
    if "checkpoint" in code:
        names["checkpoint"] = str(tmp_path / "r3d.pth")
        torch.save(torchvision.models.video.r3d_18().state_dict(), names["checkpoint"])
    tree = ast.parse(code)
    if isinstance(tree.body[-1], ast.Expr):  # what a notebook would show
        tree.body[-1] = ast.Assign([ast.Name("shown", ast.Store())], tree.body[-1].value)
    exec(compile(ast.fix_missing_locations(tree), title, "exec"), names)
    shown = names.get("shown", names.get("logits"))
    assert shown is not None or capsys.readouterr().out.count("\n") == 10
    if hasattr(shown, "__len__"):
        assert len(shown)
