"""What is shown while a model is trained."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from browser_harness import Lab
from playwright.sync_api import expect

from vidlab.training.live import page, summary

HISTORY = [
    {"epoch": 1, "loss": 1.6, "accuracy": 0.25, "val_loss": 1.4, "val_accuracy": 0.5},
    {"epoch": 2, "loss": 0.8, "accuracy": 0.5, "val_loss": 0.4, "val_accuracy": 0.75},
    {"epoch": 3, "loss": 0.4, "accuracy": 1.0, "val_loss": 1.0, "val_accuracy": 0.5},
]


def charts(html: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]


def lines(chart: ElementTree.Element) -> list[list[tuple[float, float]]]:
    return [
        [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        for line in chart.iter("polyline")
    ]


def test_curves_are_where_their_values_are() -> None:
    loss, accuracy = charts(page(HISTORY, best=1))
    training, validation = lines(accuracy)
    # From 0 % at the bottom line to 100 % at the top one.
    ticks = [float(line.attrib["y1"]) for line in accuracy.iter("line")]
    bottom, top = max(ticks), min(ticks)
    for line, name in ((training, "accuracy"), (validation, "val_accuracy")):
        got = [(bottom - y) / (bottom - top) for _, y in line]
        assert got == pytest.approx([row[name] for row in HISTORY], abs=0.01)
    assert [x for x, _ in training] == sorted(x for x, _ in training)
    # Losses up to the next round number, 2.
    got = [2 * (bottom - y) / (bottom - top) for _, y in lines(loss)[0]]
    assert got == pytest.approx([1.6, 0.8, 0.4], abs=0.02)
    (dot,) = accuracy.iter("circle")
    assert (float(dot.attrib["cx"]), float(dot.attrib["cy"])) == validation[1]


def test_labels_at_the_ends_of_lines_do_not_overlap() -> None:
    for last in (0.0, 0.5, 1.0):
        rows = [*HISTORY[:2], {**HISTORY[2], "accuracy": last, "val_accuracy": last}]
        _, accuracy = charts(page(rows, best=1))
        places = [
            float(text.attrib["y"]) for text in accuracy.iter("text")
            if text.text in ("training", "validation")
        ]  # fmt: skip
        assert len(places) == 2
        assert abs(places[0] - places[1]) >= 12
        assert all(10 <= place <= 160 for place in places)


@pytest.mark.parametrize("num_epochs", [0, 1, 3])
def test_any_number_of_epochs_can_be_shown(num_epochs: int) -> None:
    rows = [{k: v for k, v in row.items() if "val" not in k} for row in HISTORY[:num_epochs]]
    html = page(rows, best=num_epochs - 1, status="reading <clips>", share=0.25)
    assert [len(line) for chart in charts(html) for line in lines(chart)] == (
        [num_epochs] * 2 if num_epochs else []
    )
    assert "reading &lt;clips&gt;" in html
    assert "width: 25.0%" in html


def test_figures_in_words() -> None:
    assert summary(HISTORY, best=1) == (
        "loss 0.400, accuracy 100.0 %; validation: loss 1.000, accuracy 50.0 %; "
        "best 75.0 % in epoch 2"
    )


@pytest.mark.browser
def test_curves_grow_in_place_in_a_notebook(lab: Lab) -> None:
    notebook = lab.open(
        lab.write_notebook(
            "fit.ipynb",
            [
                "from vidlab.training.live import monitor\n"
                f"history = {HISTORY!r}\n"
                "shown = monitor(show=True)\n"
                "shown.begin('looking at clips', total=4)\n"
                "for _ in range(4):\n"
                "    shown.advance()\n"
                "shown.end()\n"
                "shown.begin('training', total=3)",
                "for number in range(1, 4):\n"
                "    shown.advance(loss=1.0)\n"
                "    shown.epoch(history[:number], best=0)",
                "shown.end()",
            ],
        )
    )
    notebook.run_all()
    # One output, which was redrawn where it is; its last state stays, without the bar.
    live = notebook.page.locator(".jp-OutputArea .vidlab-fit")
    expect(live).to_have_count(1)
    expect(notebook.output(0).locator(".vidlab-fit svg")).to_have_count(2)
    expect(live).to_contain_text("epoch 3, step 3 of 3")
    expect(live).to_contain_text("validation: loss 1.000")
    expect(live.locator(".vl-bar")).to_have_count(0)
    points = live.locator("polyline").first.get_attribute("points") or ""
    assert len(points.split()) == 3
    for theme, ink in (("JupyterLab Light", 0), ("JupyterLab Dark", 255)):
        notebook.set_theme(theme)
        colour = live.locator("text").first.evaluate("(text) => getComputedStyle(text).fill")
        shades = [int(number) for number in re.findall(r"\d+", colour)[:3]]
        assert all(abs(shade - ink) < 128 for shade in shades), (theme, colour)
    assert notebook.messages == []
    notebook.close()
