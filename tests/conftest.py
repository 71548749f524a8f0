"""Fixtures shared by all tests: where the real clips and weights are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browser_harness import chromium as chromium
from browser_harness import classic as classic
from browser_harness import lab as lab
from hypothesis import HealthCheck, settings

# No test measures time, and the same tests say the same every time. To look for new examples:
# --hypothesis-profile=default.
settings.register_profile(
    "vidlab", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("vidlab")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vidlab")
    group.addoption(
        "--shared-data",
        metavar="DIR",
        default=None,
        help="folder with clips/, odd/, golden/, labels/ and models/ "
        "(default: $VIDLAB_TEST_DATA, else the folder that holds $VIDLAB_MODELS)",
    )
    group.addoption(
        "--no-skips",
        action="store_true",
        help="fail a test that would be skipped (for CI, where everything must be there)",
    )
    group.addoption(
        "--fuzz-cases",
        type=int,
        default=300,
        metavar="N",
        help="damaged files to read (tests/fuzz); 300 by default",
    )
    group.addoption(
        "--update-docs", action="store_true", help="renew the pictures and tables in docs/"
    )


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Where pytest runs in two processes: one has the browser, and the other the rest, a module at
    # a time, so that a module's fixtures are made once.
    for item in items:
        in_browser = item.get_closest_marker("browser") is not None
        group = "browser" if in_browser else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and item.config.getoption("--no-skips"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and --no-skips forbids it: {reason}"


def _shared_folder(config: pytest.Config) -> Path | None:
    given = config.getoption("--shared-data") or os.environ.get("VIDLAB_TEST_DATA")
    if given:
        return Path(given).resolve()
    models = os.environ.get("VIDLAB_MODELS")
    return Path(models).resolve().parent if models else None


@pytest.fixture(scope="session")
def shared_data(pytestconfig: pytest.Config) -> Path:
    """Folder of the real clips, weights and golden logits; skips where it is absent."""
    folder = _shared_folder(pytestconfig)
    if folder is None or not (folder / "clips").is_dir():
        pytest.skip(
            "needs the real clips and weights: give --shared-data DIR or set VIDLAB_MODELS "
            f"(looked in {folder})"
        )
    return folder


@pytest.fixture(scope="session")
def clips(shared_data: Path) -> Path:
    """Folder of labelled action clips."""
    return shared_data / "clips"


@pytest.fixture(scope="session")
def odd(shared_data: Path) -> Path:
    """Folder of hard and broken videos."""
    return shared_data / "odd"


@pytest.fixture(scope="session")
def golden(shared_data: Path) -> Path:
    """Folder of the official MoViNet code's logits."""
    return shared_data / "golden"


@pytest.fixture(scope="session")
def mirror(shared_data: Path) -> Path:
    """Folder of real model files, laid out as a user's mirror."""
    return shared_data / "models"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user cache for one test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("VIDLAB_CACHE", str(folder))
    return folder
