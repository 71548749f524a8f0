"""A real JupyterLab in a real Chromium, for tests marked ``browser``.

One server and one browser per session, each with a fresh home, so nothing of the user's is
read or written. Chromium is ``$VIDLAB_CHROMIUM``, else the one on ``PATH``, else Playwright's.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, sync_playwright

START_TIMEOUT_SECONDS = 90
RUN_TIMEOUT_MS = 120_000

# Without a GPU, without calls home, and free to play sound nobody asked for.
CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required", "--hide-scrollbars",
)  # fmt: skip


def find_chromium() -> str | None:
    """Return Chromium's path, or None to take Playwright's own."""
    given = os.environ.get("VIDLAB_CHROMIUM")
    if given:
        if not Path(given).is_file():
            pytest.fail(f"VIDLAB_CHROMIUM names {given!r}, which is not a file")
        return given
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    return None


@dataclass
class Notebook:
    """A notebook that is open in the browser."""

    page: Page
    messages: list[str] = field(default_factory=list)

    def run_all(self, *, timeout_ms: int = RUN_TIMEOUT_MS) -> None:
        """Run every cell and wait until the kernel is idle."""
        self._command("notebook:run-all-cells")
        self.wait_idle(timeout_ms=timeout_ms)

    def wait_idle(self, *, timeout_ms: int = RUN_TIMEOUT_MS) -> None:
        """Wait until no cell is waiting or running."""
        self.page.wait_for_function(
            """() => {
                const prompts = [...document.querySelectorAll(
                    '.jp-Notebook .jp-CodeCell .jp-InputPrompt')].map((each) => each.textContent);
                return prompts.length && prompts.every((text) => /\\[\\d+\\]/.test(text));
            }""",
            timeout=timeout_ms,
        )

    def run_cell(self, index: int, *, timeout_ms: int = RUN_TIMEOUT_MS) -> None:
        """Run one cell again, and wait for it."""
        self.page.evaluate(
            "(index) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }",
            index,
        )
        before = self.prompt(index)
        self._command("notebook:run-cell")
        self.page.wait_for_function(
            """([index, before]) => {
                const prompt = document.querySelectorAll(
                    '.jp-Notebook .jp-Cell')[index].querySelector('.jp-InputPrompt').textContent;
                return prompt !== before && /\\[\\d+\\]/.test(prompt);
            }""",
            arg=[index, before],
            timeout=timeout_ms,
        )

    def prompt(self, index: int) -> str:
        """Return a cell's prompt, such as ``[3]:``."""
        cell = self.page.locator(".jp-Notebook .jp-Cell").nth(index)
        return cell.locator(".jp-InputPrompt").text_content() or ""

    def output(self, index: int) -> Locator:
        """Return the output area of a cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-OutputArea")

    def evaluate_in_kernel(self, code: str) -> Any:
        """Return the value of a Python expression in the notebook's kernel (through JSON)."""
        text = self.page.evaluate(
            """async (code) => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const future = kernel.requestExecute({
                    code: '', silent: true, store_history: false,
                    user_expressions: { value: `__import__('json').dumps(${code})` },
                });
                const reply = await future.done;
                const value = reply.content.user_expressions.value;
                if (value.status !== 'ok') throw new Error(`${value.ename}: ${value.evalue}`);
                return value.data['text/plain'];
            }""",
            code,
        )
        return json.loads(ast.literal_eval(text))

    def execute_in_kernel(self, code: str) -> None:
        """Run Python statements in the notebook's kernel."""
        self.page.evaluate(
            """async (code) => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const reply = await kernel.requestExecute({ code, store_history: false }).done;
                if (reply.content.status !== 'ok') {
                    throw new Error(`${reply.content.ename}: ${reply.content.evalue}`);
                }
            }""",
            code,
        )

    def set_theme(self, name: str) -> None:
        """Switch to ``"JupyterLab Light"`` or ``"JupyterLab Dark"``."""
        self.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
            name,
        )
        self.page.wait_for_selector(f"body[data-jp-theme-name='{name}']", state="attached")

    def save(self) -> None:
        """Save the notebook to its file."""
        self._command("docmanager:save")

    def close(self) -> None:
        """Shut its kernel down and close the page."""
        with contextlib.suppress(Error):
            self.page.evaluate(
                "() => window.jupyterapp.shell.currentWidget?.sessionContext.shutdown()"
            )
        self.page.close()

    def _command(self, name: str) -> None:
        self.page.evaluate("(name) => window.jupyterapp.commands.execute(name)", name)


@dataclass
class Lab:
    """A running JupyterLab and a browser to look at it with."""

    url: str
    token: str
    folder: Path
    browser: Browser
    app: str = "jupyterlab"

    def write_notebook(self, name: str, cells: Sequence[str]) -> Path:
        """Write a notebook of code cells into the server's folder."""
        path = self.folder / name
        code = [
            {
                "cell_type": "code", "id": f"cell-{index}", "metadata": {}, "source": source,
                "outputs": [], "execution_count": None,
            }
            for index, source in enumerate(cells)
        ]  # fmt: skip
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        content = {
            "cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5,
        }  # fmt: skip
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def open(
        self, path: Path, *, width: int = 1280, height: int = 1000, **options: Any
    ) -> Notebook:
        """Open a notebook of the server's folder alone on a page, with its kernel ready.

        Args:
            path: The notebook.
            width: Of the window, px.
            height: Of the window, px.
            options: For the browser's page, such as ``locale``.
        """
        page = self.browser.new_page(viewport={"width": width, "height": height}, **options)
        notebook = Notebook(page)

        def note(message: ConsoleMessage) -> None:
            if message.type == "error":
                notebook.messages.append(message.text)

        page.on("console", note)
        page.on("pageerror", lambda error: notebook.messages.append(str(error)))
        where = path.relative_to(self.folder).as_posix()
        path_of = {"jupyterlab": "doc/tree", "notebook": "notebooks"}[self.app]
        page.goto(f"{self.url}/{path_of}/{where}?token={self.token}&reset")
        page.wait_for_function(
            """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel
                ?.status === 'idle'""",
            timeout=RUN_TIMEOUT_MS,
        )
        return notebook


@contextlib.contextmanager
def serve(folder: Path, home: Path, *, app: str = "jupyterlab") -> Iterator[tuple[str, str]]:
    """Run a server of JupyterLab or Notebook on `folder`; yield its address and token."""
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    # A new user is asked about news first; the question would lie over the notebook.
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}', encoding="utf-8"
    )
    environment = {
        **os.environ,
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_TOKEN": token,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    log = home / "server.log"
    command = [
        sys.executable, "-m", app, "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    with log.open("wb") as stream:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(server, f"{url}/api/status?token={token}", log)
        yield url, token
    finally:
        # The kernels are in the server's group; none may outlive the tests.
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=15)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_until_up(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"The server did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _give_up_real_time() -> None:
    """Let no child of this process run ahead of all others, as root's may.

    Chromium's sound threads ask for real-time priority. Where they get it they can take a machine
    of two cores for themselves for minutes.
    """
    if sys.platform == "linux":
        drop_from_bounding_set, sys_nice = 24, 23  # linux/prctl.h, linux/capability.h
        ctypes.CDLL(None).prctl(drop_from_bounding_set, sys_nice, 0, 0, 0)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser, for the whole session."""
    _give_up_real_time()
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=find_chromium(), args=list(CHROMIUM_FLAGS)
            )
        except Error as error:
            pytest.fail(
                "Chromium did not start. Install it (apt-get install chromium), or name it in "
                f"VIDLAB_CHROMIUM, or run `playwright install chromium`.\n{error}"
            )
        try:
            yield browser
        finally:
            browser.close()


def as_camera(clip: Path, folder: Path) -> Path:
    """Write a video as a film for Chromium's pretended camera: every frame, not compressed."""
    film = folder / f"{clip.stem}.y4m"
    with av.open(str(clip)) as container, film.open("wb") as out:
        stream = container.streams.video[0]
        rate = stream.average_rate
        assert rate is not None
        width, height = stream.width // 2 * 2, stream.height // 2 * 2
        head = f"YUV4MPEG2 W{width} H{height} F{rate.numerator}:{rate.denominator} Ip A1:1 C420jpeg"
        out.write(f"{head}\n".encode())
        for frame in container.decode(stream):
            out.write(b"FRAME\n")
            out.write(frame.reformat(width, height, "yuv420p").to_ndarray().tobytes())
    return film


@contextlib.contextmanager
def browser_with_camera(
    chromium: Browser, film: Path, *, is_allowed: bool = True
) -> Iterator[Browser]:
    """Start another Chromium, whose camera shows `film` over and over.

    Args:
        chromium: Whose kind it is of.
        film: See `as_camera`.
        is_allowed: What it says, without asking anybody, to pages that want the camera.
    """
    answer = "--use-fake-ui-for-media-stream" if is_allowed else "--deny-permission-prompts"
    browser = chromium.browser_type.launch(
        executable_path=find_chromium(),
        args=[
            *CHROMIUM_FLAGS,
            answer,
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={film}",
        ],
    )
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Lab]:
    """A JupyterLab with a browser, for the whole session."""
    folder = tmp_path_factory.mktemp("notebooks")
    with serve(folder, tmp_path_factory.mktemp("home")) as (url, token):
        yield Lab(url, token, folder, chromium)


@pytest.fixture
def classic(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Lab]:
    """Jupyter Notebook 7 with a browser."""
    folder = tmp_path_factory.mktemp("classic")
    home = tmp_path_factory.mktemp("classic-home")
    with serve(folder, home, app="notebook") as (url, token):
        yield Lab(url, token, folder, chromium, app="notebook")


def barriers(page: Page, root: str) -> list[Any]:
    """Return what keeps people out of `root`: axe-core's serious and critical violations."""
    axe = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.fail("axe-core is not here: `make lint` gets it")
    page.evaluate(axe.read_text(encoding="utf-8"))
    return page.evaluate(
        """async (root) => (await axe.run(root)).violations
            .filter(({ impact }) => impact === "serious" || impact === "critical")
            .map(({ id, nodes }) => [id, nodes.map(({ html, any }) => [
                html.slice(0, 160), any.map(({ message }) => message)])])""",
        root,
    )
