"""The project as a whole: what importing loads, what the files promise, what make does first."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement

import vidlab
from vidlab import cli

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = sorted((ROOT / "vidlab").rglob("*.py"))

PUBLIC_NAMES = {
    "attribution",
    "metrics",
    "sharing",
    "Annotator",
    "ClipDataset",
    "ClipStream",
    "Comparison",
    "Drift",
    "Evaluation",
    "Explorer",
    "FitResult",
    "Gallery",
    "LabelBridge",
    "LabelMap",
    "Live",
    "ModelCard",
    "Player",
    "PlayerGrid",
    "Predictions",
    "Preprocessing",
    "Quiz",
    "Recording",
    "Rule",
    "Run",
    "SamplingView",
    "Study",
    "VidlabError",
    "Video",
    "compare",
    "datasets",
    "default_model",
    "drift",
    "evaluate",
    "explain_preprocessing",
    "export",
    "find_events",
    "fit",
    "limits",
    "list_models",
    "list_recipes",
    "load_model",
    "open_run",
    "predict",
    "predict_many",
    "quiz",
    "live",
    "replay",
    "sample_videos",
    "single_frames",
    "stream",
    "time_models",
    "translate_labels",
    "pose",
}
WEIGHTS = "vidlab/models/weights/"
HEAVY = {"matplotlib", "tensorflow", "tensorflow_hub", "tf_keras", "torch", "torchvision"}


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh Python holds after `code`."""
    report = "import json, sys; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


# ---- importing -------------------------------------------------------------------------------


def test_import_loads_nothing_heavy():
    loaded = modules_after("import vidlab") - modules_after("pass") - set(sys.stdlib_module_names)
    assert loaded == {"vidlab"}


# They are torch's own kind of data sets, which DataLoader knows by their class.
TORCH_DATASETS = {"ClipDataset", "ClipStream"}


def test_looking_up_every_public_name_loads_nothing_heavy():
    names = ", ".join(sorted(PUBLIC_NAMES - TORCH_DATASETS))
    assert not modules_after(f"from vidlab import {names}") & HEAVY


def test_tables_load_pandas_and_players_do_not():
    """Importing pandas takes longer than the first picture may."""
    players = "from vidlab import Player, PlayerGrid, Video, compare, load_model, predict, stream"
    assert "pandas" not in modules_after(players)
    assert "pandas" in modules_after("import vidlab; vidlab.list_models()")


def test_public_names():
    assert set(vidlab.__all__) == PUBLIC_NAMES
    assert set(dir(vidlab)) >= PUBLIC_NAMES
    for name in PUBLIC_NAMES:
        assert getattr(vidlab, name).__name__.removeprefix("vidlab.") == name


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = vidlab.no_such_name


# ---- files that must agree -------------------------------------------------------------------


def requirements_of(*extras: str) -> Iterator[str]:
    """Requirements of the core and `extras`, with vidlab's own extras written out."""
    lines = list(PROJECT["dependencies"]) if not extras else []
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    for line in lines:
        requirement = Requirement(line)
        if requirement.name == PROJECT["name"]:
            yield from requirements_of(*sorted(requirement.extras))
        else:
            yield str(requirement)


def test_conda_environment_has_the_same_requirements():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *_, from_pip = environment["dependencies"]
    *lines, itself = from_pip["pip"]

    assert environment["name"] == PROJECT["name"]
    assert itself == "--editable ."
    found = [str(Requirement(line)) for line in lines]
    assert sorted(found) == sorted({*requirements_of(), *requirements_of("all")})


def test_conda_environment_has_a_python_we_support():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python = next(line for line in environment["dependencies"] if "python=" in str(line))
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(
        python.removeprefix("python=") + ".0"
    )


def test_all_holds_every_extra_that_users_choose_from():
    extras = set(PROJECT["optional-dependencies"]) - {"all", "dev"}
    everything = set(requirements_of(*extras))
    assert everything == set(requirements_of("all"))
    assert everything < set(requirements_of("dev"))


def test_version_is_the_same_everywhere():
    assert vidlab.__version__ == PROJECT["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(PROJECT['version'])}\b", changelog, re.MULTILINE)


def test_licence_is_the_one_declared():
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_python_in_the_readme_compiles():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")


def test_the_readme_names_only_what_vidlab_has():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    used = set(re.findall(r"\bvl\.(\w+)", readme))
    assert used
    assert used <= PUBLIC_NAMES


def test_no_file_in_git_is_large():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    sizes = {name: (ROOT / name).stat().st_size for name in listed.stdout.split("\0") if name}
    assert sizes
    shipped = {name: size for name, size in sizes.items() if name.startswith(WEIGHTS)}
    others = {name: size for name, size in sizes.items() if name not in shipped}
    assert {name: size for name, size in others.items() if size > 3_000_000} == {}
    assert {name: size for name, size in shipped.items() if size > 10_000_000} == {}
    assert sum(sizes.values()) < 60_000_000


# ---- docstrings ------------------------------------------------------------------------------


def undocumented(node: ast.Module | ast.ClassDef, where: str) -> Iterator[str]:
    """Names of what is public in `node` and has no docstring."""
    if ast.get_docstring(node) is None:
        yield where
    for item in node.body:
        if not isinstance(item, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        decorators = {
            ast.unparse(decorator).rpartition(".")[2] for decorator in item.decorator_list
        }
        if item.name.startswith("_") or decorators & {"overload", "setter", "deleter", "override"}:
            continue
        if isinstance(item, ast.ClassDef):
            yield from undocumented(item, f"{where}:{item.name}")
        elif ast.get_docstring(item) is None:
            yield f"{where}:{item.name}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_everything_public_has_a_docstring(source: Path):
    tree = ast.parse(source.read_text(encoding="utf-8"))
    assert list(undocumented(tree, source.name)) == []


# ---- scripts ---------------------------------------------------------------------------------


def script(name: str) -> ModuleType:
    """Import a file of scripts/, which is no package."""
    spec = importlib.util.spec_from_file_location(
        f"scripts_{name}", ROOT / "scripts" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fake_python(folder: Path, name: str, *, version: str, has_venv: bool = True) -> None:
    """Put a program into `folder` that answers scripts/venv.sh as that Python would."""
    minor = int(version.partition(".")[2])
    program = folder / name
    program.write_text(
        f"""#!/bin/sh
        case "$*" in
            *%d.%d*) echo {version} ;;
            *"<= sys.version_info"*) exit {int(not 11 <= minor <= 13)} ;;
            *ensurepip*) exit {int(not has_venv)} ;;
            *--version*) echo Python {version} ;;
            "-m venv"*) echo making: "$@"; exit 7 ;;
        esac
        """,
        encoding="utf-8",
    )
    program.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a space in its name and nothing of the project but scripts/venv.sh."""
    folder = tmp_path / "a checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "venv.sh", folder / "scripts")
    (folder / "bin").mkdir()
    for name in ("dirname", "grep", "sh"):
        (folder / "bin" / name).symlink_to(str(shutil.which(name)))
    return folder


def make_venv(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(checkout / "scripts" / "venv.sh"), "all"],
        env={"PATH": str(checkout / "bin"), **environment},
        capture_output=True,
        text=True,
    )


def test_venv_script_holds_to_requires_python():
    text = (ROOT / "scripts" / "venv.sh").read_text(encoding="utf-8")
    oldest = re.search(r"^oldest=(\d+)$", text, re.MULTILINE)
    newest = re.search(r"^newest=(\d+)$", text, re.MULTILINE)
    assert oldest is not None
    assert newest is not None
    assert PROJECT["requires-python"] == f">=3.{oldest[1]},<3.{int(newest[1]) + 1}"


def test_venv_script_says_that_python_is_too_old(checkout: Path):
    fake_python(checkout / "bin", "python3", version="3.9")
    done = make_venv(checkout)
    assert done.returncode == 1
    assert "python3 is 3.9" in done.stderr
    assert "apt-get install python3.11 python3.11-venv" in done.stderr


def test_venv_script_says_that_there_is_no_python(checkout: Path):
    done = make_venv(checkout)
    assert done.returncode == 1
    assert "no python3 on PATH" in done.stderr


def test_venv_script_names_the_package_that_brings_venv(checkout: Path):
    fake_python(checkout / "bin", "python3", version="3.12", has_venv=False)
    done = make_venv(checkout)
    assert done.returncode == 1
    assert "apt-get install python3.12-venv" in done.stderr


def test_venv_script_passes_over_a_python_that_does_not_fit(checkout: Path):
    fake_python(checkout / "bin", "python3.11", version="3.11", has_venv=False)
    fake_python(checkout / "bin", "python3.13", version="3.13")
    fake_python(checkout / "bin", "python3", version="3.14")
    done = make_venv(checkout)
    assert done.returncode == 7
    assert done.stdout == f"making: -m venv --clear {checkout.resolve()}/.venv\n"
    assert "making .venv with Python 3.13" in done.stderr


def test_venv_script_takes_the_python_it_is_given(checkout: Path):
    fake_python(checkout / "bin", "python3.11", version="3.11")
    fake_python(checkout, "my python", version="3.12")
    done = make_venv(checkout, PYTHON=str(checkout / "my python"))
    assert done.returncode == 7
    assert "making .venv with Python 3.12" in done.stderr


def test_install_is_repeated_only_when_what_it_installs_changes(tmp_path: Path):
    install = script("install")
    pyproject = tmp_path / "pyproject.toml"
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    pyproject.write_text(text, encoding="utf-8")
    before = install.fingerprint(pyproject)
    pyproject.write_text(text + "\n[tool.other]\nlevel = 1\n", encoding="utf-8")
    assert install.fingerprint(pyproject) == before
    pyproject.write_text(text.replace('"numpy>=2.0"', '"numpy>=2.1"'), encoding="utf-8")
    assert install.fingerprint(pyproject) != before


def test_install_knows_what_is_there(tmp_path: Path):
    install = script("install")
    stamp = tmp_path / "stamp.json"
    assert not install.is_installed(stamp, "all", "abc")
    stamp.write_text(json.dumps({"extra": "dev", "fingerprint": "abc"}), encoding="utf-8")
    assert install.is_installed(stamp, "dev", "abc")
    assert install.is_installed(stamp, "all", "abc")  # dev holds all
    assert not install.is_installed(stamp, "dev", "abd")
    stamp.write_text(json.dumps({"extra": "all", "fingerprint": "abc"}), encoding="utf-8")
    assert not install.is_installed(stamp, "dev", "abc")
    stamp.write_text('{"extra": "a', encoding="utf-8")
    assert not install.is_installed(stamp, "all", "abc")


def test_chromium_given_by_hand_must_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chromium = script("chromium")
    browser = tmp_path / "my browser"
    browser.write_text("#!/bin/sh\nexit ${BROWSER_EXIT:-0}\n", encoding="utf-8")
    browser.chmod(0o755)
    monkeypatch.setenv("VIDLAB_CHROMIUM", str(browser))
    assert chromium.find() == browser
    monkeypatch.setenv("BROWSER_EXIT", "1")
    with pytest.raises(chromium.NoChromiumError, match="my browser"):
        chromium.find()


def test_chromium_on_the_path_that_is_only_a_stub_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    chromium = script("chromium")
    for name, code in (("chromium", 1), ("chromium-browser", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.delenv("VIDLAB_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert chromium.find() == tmp_path / "chromium-browser"


def test_lab_serves_this_folder_and_opens_the_notebook():
    line = cli.lab_command(Path("notebooks/01 explore.ipynb"), browser=True, is_root=False)
    assert f"--ServerApp.root_dir={Path.cwd()}" in line
    assert "--LabApp.default_url=/lab/tree/notebooks/01%20explore.ipynb" in line
    assert "--no-browser" not in line
    assert "--allow-root" not in line
    line = cli.lab_command(Path("a.ipynb"), browser=False, is_root=True)
    assert {"--no-browser", "--allow-root"} <= set(line)


def test_every_make_target_is_listed_by_make():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"lab", "test", "demo"} <= targets
    assert set(re.findall(r"make ([a-z]+) {2,}", listed.stdout)) == targets


def test_package_json_leaves_the_node_programs_in_venv_alone():
    # Node reads the nearest package.json above a script. With "type": "module" here, JupyterLab's
    # own yarn, which lies in .venv, fails and fills the terminal of `make lab`.
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    assert package.get("type", "commonjs") == "commonjs"
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["devDependencies"]["typescript"])


def test_where_tests_run_in_two_processes_a_module_stays_in_one(request: pytest.FixtureRequest):
    # pytest-xdist carries the groups over in the tests' names; with a pytest that it does not
    # know, these are dropped unheard, and two browsers and twice the fixtures share the cores.
    if getattr(request.config.option, "loadgroup", False):
        assert request.node.nodeid.endswith("@tests/test_project.py")
