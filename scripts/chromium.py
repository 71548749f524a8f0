"""Find a Chromium for the browser tests, or install one; print its path.

Looked for, in this order: ``$VIDLAB_CHROMIUM``, the names in `NAMES` on ``PATH``, and the
one that Playwright downloaded. Where none is, it is installed: by apt-get for root, else
(or where apt-get has none) by ``playwright install``, which needs no rights but the network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class NoChromiumError(Exception):
    """There is no Chromium, and none could be installed; says what to run."""


def starts(executable: str | os.PathLike[str]) -> bool:
    """Tell whether `executable` runs; some systems ship a stub that only prints advice."""
    try:
        done = subprocess.run([executable, "--version"], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def find() -> Path | None:
    """Return the Chromium that is here, or None.

    Raises:
        NoChromiumError: ``$VIDLAB_CHROMIUM`` is set to something that does not start.
    """
    given = os.environ.get("VIDLAB_CHROMIUM")
    if given:
        path = shutil.which(given)
        if path is None or not starts(path):
            raise NoChromiumError(f"VIDLAB_CHROMIUM={given!r} is not a browser that starts here.")
        return Path(path)
    for name in NAMES:
        path = shutil.which(name)
        if path is not None and starts(path):
            return Path(path)
    return _playwrights_own()


def _playwrights_own() -> Path | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.exists() and starts(path) else None


def install() -> Path:
    """Install a Chromium and return its path.

    Raises:
        NoChromiumError: Neither way worked; says what each one answered.
    """
    as_root = os.geteuid() == 0
    tried = []
    if as_root and shutil.which("apt-get"):
        apt = "apt-get -o DPkg::Lock::Timeout=120"
        tried.append(f"{apt} update && {apt} install --yes --no-install-recommends chromium")
    playwright = f'"{sys.executable}" -m playwright install chromium'
    tried.append(playwright + (" --with-deps" if as_root and shutil.which("apt-get") else ""))

    answers = []
    for command in tried:
        print(f"vidlab: no Chromium here; running {command}", file=sys.stderr, flush=True)
        done = subprocess.run(
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,  # standard output is for the path
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
        found = find()
        if found is not None:
            return found
        answers.append(f"  {command}\n    exit code {done.returncode}, and still no Chromium")
    rights = "" if as_root else " (as root, which this user is not)"
    raise NoChromiumError(
        "The browser tests need Chromium. These did not bring one:\n"
        + "\n".join(answers)
        + f"\nRun: apt-get install chromium{rights}, or name a browser you have: "
        "VIDLAB_CHROMIUM=/path/to/chromium make test"
    )


def main() -> int:
    """Print the path of a Chromium, installing it if need be; return the exit code."""
    try:
        print(find() or install())
    except NoChromiumError as error:
        print(f"vidlab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
