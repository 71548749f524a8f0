"""A run at a glance: bounded, escaped, and with what to do next."""

from __future__ import annotations

import pandas as pd
import pytest

from vidlab.many.overview import overview


def failing(count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "video": [f"걷기 <script>{number}.mp4" for number in range(count)],
            "reason": ["Cannot read it: <b>& so on"] * count,
            "error": [
                "VideoDecodeError" if number % 5 else "WorkerError" for number in range(count)
            ],
        }
    )


def shown(states: dict[str, int], *, num_failures: int = 0, stopped: str | None = None) -> str:
    return overview(
        models=["a&b"], folder="/run<1>", states=states, failures=failing(num_failures),
        stopped=stopped,
    )  # fmt: skip


def test_many_failures_do_not_make_a_long_page() -> None:
    html = shown({"done": 1500, "failed": 500}, num_failures=500)
    assert html.count("<tr>") == 11
    assert len(html) < 6_000
    assert (
        "And 490 more in <code>run.failures</code>; in all 400 VideoDecodeError, 100 WorkerError."
        in html
    )
    assert "more in" not in shown({"failed": 10}, num_failures=10)


def test_text_from_files_is_escaped() -> None:
    html = shown({"failed": 1}, num_failures=1, stopped="by <i>")
    for raw in ("<script>", "<b>&", "a&b", "/run<1>", "<i>"):
        assert raw not in html
    assert "걷기 &lt;script&gt;0.mp4" in html


@pytest.mark.parametrize(
    ("states", "steps"),
    [
        ({"done": 2}, {"run.table()", "vidlab.Gallery(run)"}),
        ({"waiting": 2}, {"vidlab.predict_many(…)"}),
        (
            {"done": 1, "failed": 1},
            {"run.table()", "vidlab.Gallery(run)", "vidlab.predict_many(…)"},
        ),
    ],
)
def test_what_to_do_next(states: dict[str, int], steps: set[str]) -> None:
    html = shown(states)
    said = html[html.index("Next: ") :]
    for step in ("run.table()", "vidlab.Gallery(run)", "vidlab.predict_many(…)"):
        assert (f"<code>{step}</code>" in said) == (step in steps)
