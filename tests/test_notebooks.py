"""The shipped notebooks: run from top to bottom, and used in a real JupyterLab."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
from browser_harness import Lab
from playwright.sync_api import expect

import vidlab as vl
from vidlab.transforms import resize_bilinear

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
RUN_SECONDS = 300

# The picture on the page as 48x48 grey values.
READ_PICTURE = """
(video) => {
    const canvas = new OffscreenCanvas(48, 48);
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(video, 0, 0, 48, 48);
    const { data } = context.getImageData(0, 0, 48, 48);
    return Array.from({ length: 48 * 48 }, (_, at) =>
        (data[4 * at] + data[4 * at + 1] + data[4 * at + 2]) / 3);
}
"""


@pytest.fixture
def with_weights(mirror: Path, clips: Path, tmp_path: Path, monkeypatch) -> dict[str, str]:
    values = {
        "VIDLAB_MODELS": str(mirror),
        "VIDLAB_VIDEO": str(clips / "carving_ice.mp4"),
        "VIDLAB_CACHE": str(tmp_path / "cache"),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to run notebooks in, beside the sample videos as in a checkout."""
    (tmp_path / "data").symlink_to(FOLDER.parent / "data")
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "00_start_here", "01_explore", "02_compare", "03_time_matters", "04_train_your_own",
        "05_pose", "06_live", "07_compare_models", "08_why",
    ]  # fmt: skip


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
@pytest.mark.usefixtures("with_weights")
def test_a_notebook_runs_from_top_to_bottom(path: Path, folder: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=RUN_SECONDS, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            if output.output_type == "stream":
                assert "Traceback" not in output.text


def test_every_cell_has_an_id_and_parses() -> None:
    for path in NOTEBOOKS:
        data = json.loads(path.read_text(encoding="utf-8"))
        ids = [cell["id"] for cell in data["cells"]]
        assert len(set(ids)) == len(ids)
        for cell in data["cells"]:
            if cell["cell_type"] == "code":
                compile("".join(cell["source"]), path.name, "exec")


def test_notebooks_use_names_that_there_are() -> None:
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        for cell in cells:
            for name in re.findall(r"\bvl\.(\w+)", cell.source):
                assert hasattr(vl, name), f"{path.name}: vl.{name}"


@pytest.mark.browser
def test_explore_in_jupyterlab(lab: Lab, with_weights: dict[str, str], clips: Path) -> None:
    """Opens the first notebook, runs it, plays, seeks, and reads the label on screen."""
    path = lab.folder / "notebooks" / "01_explore.ipynb"
    path.parent.mkdir(exist_ok=True)
    shutil.copy(FOLDER / path.name, path)
    cells = nbformat.read(path, as_version=4).cells
    notebook = lab.open(path, height=1400)
    notebook.execute_in_kernel(f"import os; os.environ.update({with_weights!r})")
    notebook.run_all(timeout_ms=RUN_SECONDS * 1000)

    def cell_with(text: str) -> int:
        return next(i for i, cell in enumerate(cells) if text in cell.source)

    video = vl.Video(clips / "carving_ice.mp4")
    pictures = np.stack(
        [
            resize_bilinear(frame.thumbnail(height_px=48), height_px=48, width_px=48).mean(axis=2)
            for frame in video
        ]
    )
    for text, name, models in (
        ("vl.Player(", "player", ["preds"]),
        ("vl.compare(", "both._view", [f"both.predictions[{number}]" for number in range(3)]),
    ):
        root = notebook.output(cell_with(text)).locator(".vidlab-player").first
        root.scroll_into_view_if_needed()
        expect(root.locator(".vl-status")).to_be_hidden(timeout=30_000)
        root.locator("video").wait_for(state="visible")

        def agree(root=root, models=models) -> int:
            """Check picture, label and Python against each other; return the frame."""
            frame = int(root.get_attribute("data-frame") or -1)
            shown = np.array(root.locator("video").evaluate(READ_PICTURE)).reshape(48, 48)
            nearest = int(np.abs(pictures - shown).mean(axis=(1, 2)).argmin())
            assert abs(nearest - frame) <= 1, f"the page says {frame}, the picture is {nearest}"
            for number, model in enumerate(models):
                said = root.locator(".vl-block").nth(number).locator(".vl-row .vl-ellipsis").first
                right = notebook.evaluate_in_kernel(f"{model}.at_frame({frame})['label'][0]")
                assert said.text_content() == right
            return frame

        # Seek: by the timeline, by key, from Python.
        timeline = root.locator(".vl-timeline")
        box = timeline.bounding_box()
        assert box is not None
        timeline.click(position={"x": box["width"] * 0.75, "y": 4})
        notebook.page.wait_for_timeout(400)
        assert 80 <= agree() <= 115
        notebook.page.keyboard.press("Home")
        expect(root).to_have_attribute("data-frame", "0")
        agree()
        notebook.execute_in_kernel(f"{name}.frame_index = 60")
        expect(root).to_have_attribute("data-frame", "60")
        agree()

        # Play: time goes on, and stops where it is told to.
        timeline.click(position={"x": box["width"] * 0.3, "y": 4})
        notebook.page.wait_for_timeout(300)
        begin = int(root.get_attribute("data-frame") or -1)
        notebook.page.keyboard.press("Space")
        notebook.page.wait_for_timeout(1200)
        notebook.page.keyboard.press("Space")
        notebook.page.wait_for_timeout(300)
        assert agree() > begin + 10

        notebook.page.keyboard.press("End")
        expect(root).to_have_attribute("data-frame", str(video.num_frames - 1))
        agree()
        first = root.locator(".vl-block").first.locator(".vl-row .vl-ellipsis").first
        assert first.text_content() == "carving ice"
    assert notebook.messages == []
    notebook.close()
