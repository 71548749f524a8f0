"""What docs/scale.md says is run as it stands, as far as one machine goes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import vidlab as vl

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def test_what_the_page_says_of_one_machine_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("jumping_jacks.mp4", "squat.mp4"):
        shutil.copy(ROOT / "data" / name, tmp_path / "videos")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/scale.md", "exec"), names)
    assert len(blocks) == 3
    found = names["run"]
    assert isinstance(found, vl.Run)
    assert found.videos["state"].tolist() == ["done", "done"]
    listed = re.findall(r"^\| `([^`]+)` \|", PAGE, re.M)
    written = {each.name for each in (tmp_path / "run").iterdir() if each.name != ".lock"}
    assert written <= {each.partition("/")[0] for each in listed}
    assert {"manifest.json", "videos.json", "answers"} <= written


def test_python_for_more_machines_compiles() -> None:
    blocks = re.findall(r"```py\n(.*?)```", PAGE, re.S)
    assert blocks
    for block in blocks:
        compile(block, "docs/scale.md", "exec")
