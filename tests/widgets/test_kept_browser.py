"""What a saved notebook shows where no kernel knows its players any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from browser_harness import RUN_TIMEOUT_MS, Lab, Notebook
from nbconvert import HTMLExporter
from playwright.sync_api import Locator, Page, expect
from test_player_browser import PREPARE

pytestmark = pytest.mark.browser

ARTIFACTS = Path(__file__).resolve().parents[1] / "_artifacts"


@pytest.fixture(scope="module")
def saved(lab: Lab, spelled: Callable[..., Path]) -> Path:
    """A notebook that was run, saved and closed."""
    path = spelled("mp4", num_frames=90)
    show = (
        f"v = vl.Video({str(path)!r})\n"
        "other = lambda row: 1 if row in (3, 4, 10) else 0\n"
        "vl.Player(v, [told(v), told(v, other, backend='litert')], truth='action 1')"
    )
    notebook = lab.open(lab.write_notebook("saved.ipynb", [PREPARE, show]))
    notebook.run_all()
    expect(notebook.output(1).locator(".vidlab-player")).to_have_attribute("data-frame", "0")
    expect(notebook.output(1).locator("[data-vidlab-kept]")).to_be_hidden()
    notebook.save()
    notebook.page.wait_for_function(
        "() => !window.jupyterapp.shell.currentWidget.context.model.dirty"
    )
    notebook.close()
    return lab.folder / "saved.ipynb"


def shows_the_copy(page: Page, output: Locator) -> None:
    """Check that the copy is there, whole, once, and that nothing stands for the lost widget."""
    expect(output.get_by_alt_text("Frame at")).to_have_count(8)
    expect(output.get_by_alt_text("Timeline: = truth, A torch")).to_be_visible()
    expect(output.locator("tbody tr")).to_have_count(16)
    expect(output.locator("tbody tr").first).to_contain_text("action 0 0.886")
    page.wait_for_function(
        "(output) => [...output.querySelectorAll('img')]"
        ".every((each) => each.complete && each.naturalWidth > 0)",
        arg=output.element_handle(),
    )
    expect(page.locator(".vidlab-player")).to_have_count(0)
    shown = output.inner_text()
    assert shown.count("Run the cell to play it.") == 1
    assert "widget" not in shown


def fresh_kernel(lab: Lab, path: Path) -> Notebook:
    """Open a notebook as its user does the next day: a kernel starts, and knows nothing."""
    notebook = lab.open(path)
    expect(notebook.output(1)).to_contain_text("model not found")
    return notebook


def no_kernel(lab: Lab, path: Path) -> Notebook:
    """Open one's own notebook without a kernel: Jupyter waits for one, for good."""
    page = lab.browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{lab.url}/lab?token={lab.token}&reset")
    page.wait_for_function("() => window.jupyterapp?.commands.hasCommand('docmanager:open')")
    page.evaluate(
        """(path) => window.jupyterapp.restored.then(() => window.jupyterapp.commands.execute(
            'docmanager:open',
            { path, factory: 'Notebook', kernelPreference: { shouldStart: false } }))""",
        path.name,
    )
    notebook = Notebook(page)
    expect(notebook.output(1)).to_contain_text("Loading widget", timeout=RUN_TIMEOUT_MS)
    return notebook


def foreign(lab: Lab, path: Path) -> Notebook:
    """Open a notebook of somebody else's, made with a kernel that is not here."""
    content = json.loads(path.read_text(encoding="utf-8"))
    kernel = {"name": "elsewhere", "display_name": "Elsewhere", "language": "elsewhere"}
    content["metadata"] = {"kernelspec": kernel}
    (lab.folder / "foreign.ipynb").write_text(json.dumps(content), encoding="utf-8")
    page = lab.browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(f"{lab.url}/doc/tree/foreign.ipynb?token={lab.token}&reset")
    dialog = page.locator(".jp-Dialog")
    dialog.get_by_role("button", name="No Kernel").click(timeout=RUN_TIMEOUT_MS)
    return Notebook(page)


@pytest.mark.parametrize("reopen", [fresh_kernel, no_kernel, foreign])
def test_a_notebook_opened_again_shows_the_copy(
    reopen: Callable[[Lab, Path], Notebook], lab: Lab, saved: Path
) -> None:
    notebook = reopen(lab, saved)
    shows_the_copy(notebook.page, notebook.output(1))
    ARTIFACTS.mkdir(exist_ok=True)
    for theme in ("Light", "Dark"):
        notebook.set_theme(f"JupyterLab {theme}")
        notebook.output(1).screenshot(path=ARTIFACTS / f"kept-{reopen.__name__}-{theme}.png")
    notebook.close()


def test_nbconvert_writes_a_page_that_needs_no_network(
    lab: Lab, saved: Path, tmp_path: Path
) -> None:
    content = nbformat.read(saved, as_version=4)
    assert len(json.dumps(content.cells[1].outputs)) < 300_000
    html, _ = HTMLExporter().from_notebook_node(content)
    (tmp_path / "saved.html").write_text(html, encoding="utf-8")
    context = lab.browser.new_context(offline=True, viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.goto((tmp_path / "saved.html").as_uri())
    shows_the_copy(page, page.locator(".jp-OutputArea").last)
    page.screenshot(path=ARTIFACTS / "kept-nbconvert.png", full_page=True)
    context.close()
