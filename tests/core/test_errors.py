from __future__ import annotations

import inspect

import pytest

from vidlab.core import dependencies, errors


def test_every_error_is_in_the_tree_and_in_its_drawing() -> None:
    classes = [
        item
        for _, item in inspect.getmembers(errors, inspect.isclass)
        if item.__module__ == errors.__name__
    ]
    assert len(classes) > 10
    for cls in classes:
        assert issubclass(cls, errors.VidlabError)
        assert cls.__name__ in (errors.__doc__ or "")


def test_errors_are_also_the_builtin_that_fits() -> None:
    assert issubclass(errors.VideoNotFoundError, FileNotFoundError)
    assert issubclass(errors.WeightsNotFoundError, FileNotFoundError)
    assert issubclass(errors.MissingDependencyError, ImportError)
    assert issubclass(errors.DownloadError, OSError)


def test_a_decode_error_knows_its_frame() -> None:
    assert errors.VideoDecodeError("broken", frame_index=28).frame_index == 28


def test_a_missing_dependency_names_the_command() -> None:
    with pytest.raises(errors.MissingDependencyError, match=r"vidlab\[absent_module\]"):
        dependencies.require("absent_module.part", why="this test")


@pytest.mark.parametrize("module", ["torch", "tensorflow_hub", "ai_edge_litert", "jupyterlab"])
def test_each_backend_names_an_extra_of_the_project(module: str, monkeypatch) -> None:
    import importlib
    import tomllib
    from pathlib import Path

    def refuse(name: str, package: str | None = None) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(errors.MissingDependencyError) as caught:
        dependencies.require(module, why="this test")
    extra = str(caught.value).rpartition("vidlab[")[2].partition("]")[0]
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert extra in project["project"]["optional-dependencies"]


def test_torchvision_after_tensorflow_is_refused_where_it_would_kill_the_process(
    monkeypatch,
) -> None:
    """With triton 3.7+, the second LLVM ends the process; an error is better."""
    import importlib.util
    import sys
    from importlib import metadata
    from types import ModuleType

    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(metadata, "version", lambda name: "3.7.1")
    with pytest.raises(errors.MissingDependencyError, match="would end the process"):
        dependencies.require("torchvision", why="this test")


def test_a_decode_error_comes_back_from_another_process() -> None:
    import pickle

    again = pickle.loads(pickle.dumps(errors.VideoDecodeError("broken", frame_index=28)))
    assert (str(again), again.frame_index) == ("broken", 28)
