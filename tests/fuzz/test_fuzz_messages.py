"""What a page may say to a widget, at random: done, or refused in words; nothing escapes."""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import traitlets
from arithmetic import ArithmeticModel
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from synthetic import make_video

import vidlab as vl
from vidlab.attribution import SamplingLab, Setting
from vidlab.attribution.answers import Verdict
from vidlab.attribution.sampling_lab import Run
from vidlab.core.errors import VidlabError

LABELS = ["waving", "squat", "lunge"]
JOIN_SECONDS = 60

_NUMBERS = (
    st.integers(-3, 5)
    | st.sampled_from([2**31, 2**53, 2**63, 10**400, -(10**400)])
    | st.floats(allow_nan=True, allow_infinity=True)
)
_SCALARS = st.none() | st.booleans() | _NUMBERS | st.text(max_size=8) | st.just("\ud800\0" * 40)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_NAMES = [
    "op", "kind", "id", "view", "row", "requests", "token", "offset", "length", "number", "page",
    "transcode", "segments", "question", "choice", "sure", "name", "on_screen", "time_seconds",
]  # fmt: skip
_ASKED = st.sampled_from(
    ["thumbnail", "preview", "cancel", "open", "read", "segment", "predictions", "overlays",
     "release", "annotate", "question", "clip", "name", "commit", "next", "again", "hello", "bye",
     "start", "stop", "reset", "frame", "told", "ack"]
)  # fmt: skip
_FITTING = (
    _ASKED
    | st.sampled_from(["one", "Mina", "think", "squat", *LABELS])
    | st.lists(st.tuples(_NUMBERS, _NUMBERS, st.sampled_from(LABELS)).map(list), max_size=3)
)
_MESSAGES = _JSON | st.builds(
    lambda op, id_, rest: {"op": op, "kind": op, "id": id_, "view": "one"} | rest,
    _ASKED,
    st.text(max_size=3) | _JSON,
    st.dictionaries(st.sampled_from(_NAMES), _FITTING | _JSON, max_size=5),
)
_BUFFERS = st.lists(st.binary(max_size=40).map(memoryview) | st.binary(max_size=40), max_size=2)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of one second."""
    path = tmp_path_factory.mktemp("talk") / "clip.mp4"
    make_video(path, num_frames=30, size=(96, 72))
    return path


def _a_lab() -> SamplingLab:
    """Return what a sampling view shows: two settings of three labels."""
    shares = np.full((3, len(LABELS)), 1 / 3, np.float32)
    run = Run(
        time_seconds=np.arange(3) / 5, probabilities=shares, verdict=Verdict(shares[0], shares[0])
    )
    picture = io.BytesIO()
    Image.new("RGB", (8, 6)).save(picture, "JPEG")
    return SamplingLab(
        video="clip.mp4", title="torch:m", labels=vl.LabelMap(LABELS), runs=(run, run),
        settings=(Setting(5.0, 0.0, "centre", 6), Setting(5.0, 0.5, "closer", 6)),
        span_seconds=(0.0, 1.0), picture=picture.getvalue(),
    )  # fmt: skip


def _predictions(clip: Path) -> vl.Predictions:
    with vl.Video(clip) as video:
        return vl.predict(video, ArithmeticModel(), progress=False)


def _table(clip: Path) -> pd.DataFrame:
    return pd.DataFrame(
        {"video": [str(clip)] * 2, "start_seconds": [0.0, 0.5], "end_seconds": [0.5, 1.0],
         "label": LABELS[:2]}
    )  # fmt: skip


_WIDGETS: dict[str, Callable[[Path], Any]] = {
    "Player": lambda clip: vl.Player(clip, _predictions(clip)),
    "Annotator": lambda clip: vl.Annotator(clip, LABELS, out=clip.with_name("marks.csv")),
    "Gallery": lambda clip: vl.Gallery(_table(clip)),
    "Live": lambda _clip: vl.Live(ArithmeticModel()),
    "Quiz": lambda clip: vl.quiz(_table(clip), choices=LABELS),
    "SamplingView": lambda _clip: vl.SamplingView(_a_lab()),
}


@pytest.fixture(params=sorted(_WIDGETS))
def shown(
    request: pytest.FixtureRequest,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Any]:
    """A widget whose page hears nothing; whatever vidlab logs as its own fault fails the test."""
    before = set(threading.enumerate())
    widget = _WIDGETS[request.param](clip)
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: None)
    with caplog.at_level(logging.ERROR):
        yield widget
        widget.close()
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("vidlab"):
                thread.join(JOIN_SECONDS)
                assert not thread.is_alive()
    faults = [each for each in caplog.get_records("call") if each.levelno >= logging.ERROR]
    assert faults == [], caplog.text


def _examples(config: pytest.Config) -> settings:
    """Return how many examples: they grow with the number of files, and share its option."""
    return settings(
        max_examples=max(config.getoption("--fuzz-cases") // 5, 20),
        suppress_health_check=[*settings.default.suppress_health_check,
                               HealthCheck.function_scoped_fixture],
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )  # fmt: skip


def test_no_message_escapes(shown: Any, pytestconfig: pytest.Config) -> None:
    @_examples(pytestconfig)
    @given(_MESSAGES, _BUFFERS)
    def tell(content: Any, buffers: list[Any]) -> None:
        shown._handle_custom_msg(content, buffers)

    tell()


def test_no_state_of_a_page_escapes(shown: Any, pytestconfig: pytest.Config) -> None:
    """A page may set any trait that is on both sides; what is refused leaves it usable."""
    ours = sorted(
        name
        for name in shown.trait_names(sync=True)
        if not name.startswith(("_model", "_view", "_esm", "_css", "_anywidget"))
        and name not in ("layout", "tabbable", "tooltip")
    )

    @_examples(pytestconfig)
    @given(st.dictionaries(st.sampled_from(ours), _JSON, min_size=1, max_size=3))
    def set_state(state: dict[str, Any]) -> None:
        with contextlib.suppress(VidlabError, traitlets.TraitError):
            shown.set_state(state)
        shown.get_state()
        repr(shown)

    set_state()
