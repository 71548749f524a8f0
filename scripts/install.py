"""Install vidlab[EXTRA] into the virtual environment that runs this file.

A stamp in the environment remembers what was installed, so a second run does nothing
and needs no network. ``scripts/venv.sh`` makes the environment and calls this.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("all", "dev")  # each holds the ones before it

# The first look at JupyterLab should be the notebook, not a question about news from outside.
JUPYTERLAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "fetchNews": "false",
    }
}


def fingerprint(pyproject: Path) -> str:
    """Return a hash of those parts of pyproject.toml that change what is installed."""
    content = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    parts = {
        "build-system": content["build-system"],
        "project": content["project"],
        "hatch": content.get("tool", {}).get("hatch"),
        "python": sys.version_info[:3],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def is_installed(stamp: Path, extra: str, wanted: str) -> bool:
    """Tell whether `stamp` says that `extra`, or one that holds it, is there as `wanted`."""
    try:
        installed = json.loads(stamp.read_text(encoding="utf-8"))
        enough = EXTRAS.index(installed["extra"]) >= EXTRAS.index(extra)
        return bool(enough and installed["fingerprint"] == wanted)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False  # no stamp, or half of one: install


def main(extra: str) -> int:
    """Install `extra` unless it is there; return the exit code."""
    if extra not in EXTRAS:
        print(f"vidlab: no such extra: {extra!r}; there is {', '.join(EXTRAS)}", file=sys.stderr)
        return 2
    stamp = Path(sys.prefix) / "vidlab-installed.json"
    wanted = fingerprint(ROOT / "pyproject.toml")
    if is_installed(stamp, extra, wanted):
        return 0

    size = "about 8 GB: torch and TensorFlow with their libraries; some minutes the first time"
    print(f"vidlab: installing vidlab[{extra}] into .venv ({size})", file=sys.stderr, flush=True)
    stamp.unlink(missing_ok=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
    commands = [[*uv, "--editable", f".[{extra}]"]]
    if importlib.util.find_spec("uv") is None:
        quiet = ["--quiet", "--disable-pip-version-check"]
        commands.insert(0, [sys.executable, "-m", "pip", "install", *quiet, "uv"])
    # The machine's certificates, as pip does: behind a company's proxy uv's own do not do.
    environment = {"UV_SYSTEM_CERTS": "1", **os.environ}
    for command in commands:
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        if code:
            print(
                f"vidlab: the installation failed (exit code {code}); what went wrong is above. "
                "It needs the Python package index and 8 GB of disk. Run the same command again "
                "to go on where it stopped.",
                file=sys.stderr,
            )
            return code
    settings = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(JUPYTERLAB_SETTINGS, indent=2) + "\n", encoding="utf-8")
    stamp.write_text(json.dumps({"extra": extra, "fingerprint": wanted}) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main(*sys.argv[1:2] or ["all"]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
