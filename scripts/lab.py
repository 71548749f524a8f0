"""Open a notebook in JupyterLab; ``VIDLAB_NO_BROWSER=1`` prints its address instead.

``make lab`` calls this with the Python of ``.venv``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent

# The first look at JupyterLab should be the notebook, not a question about news from outside.
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "fetchNews": "false",
    }
}


def command(notebook: str, *, browser: bool, is_root: bool) -> list[str]:
    """Return the command line that serves the checkout, with `notebook` as its first page."""
    line = [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={ROOT}",
        # Given as a file to open, the notebook would be missing from the printed address.
        f"--LabApp.default_url=/lab/tree/{quote(notebook)}",
        "--ServerApp.answer_yes=True",
        *("--ServerApp.log_level=ERROR", "--LabApp.log_level=ERROR"),
    ]
    if not browser:
        line.append("--no-browser")
    if is_root:
        line.append("--allow-root")
    return line


def main(notebook: str) -> None:
    """Become the Jupyter server, so that Ctrl-C reaches it and nothing is left behind."""
    settings = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(SETTINGS, indent=2) + "\n", encoding="utf-8")

    for name in ("VIDLAB_MODELS", "VIDLAB_CACHE"):
        # Kernels run in the notebook's folder, where a relative path would mean another place.
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).resolve())

    os.chdir(ROOT)
    browser = os.environ.get("VIDLAB_NO_BROWSER", "") in ("", "0")
    print(f"vidlab: JupyterLab opens {notebook}; Ctrl-C here stops it", file=sys.stderr, flush=True)
    line = command(notebook, browser=browser, is_root=os.geteuid() == 0)
    os.execv(line[0], line)


if __name__ == "__main__":
    main(sys.argv[1])
