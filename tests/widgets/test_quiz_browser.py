"""`Quiz` in JupyterLab: a whole quiz, what the saved notebook tells, keys, languages, bad names."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from browser_harness import Lab, Notebook, barriers
from playwright.sync_api import Locator, expect

import vidlab as vl

pytestmark = pytest.mark.browser

READY_MS = 60_000

WHOLE = """import vidlab as vl
samples = vl.sample_videos()
names = ["squat", "waving_hand", "moonwalking_right"]
model = vl.load_model("stickactions-a0-stream")
quiz = vl.quiz([samples[each] for each in names], {"tiny": model}, scores="scores.csv",
               truth=[each.replace("_", " ") for each in names], seed=1)
quiz"""


def wait_choices(root: Locator) -> Locator:
    choices = root.locator("label.vl-quiz-choice")
    expect(choices.first).to_be_visible(timeout=READY_MS)
    return choices


def saved(notebook: Notebook, path: Path) -> dict[str, Any]:
    """Save the notebook with the widgets' state, and return what is in the file.

    The code itself is left out: what a cell says in so many words is no secret.
    """
    notebook.page.evaluate(
        """async () => {
            const { commands } = window.jupyterapp;
            const name = "@jupyter-widgets/jupyterlab-manager:saveWidgetState";
            if (!commands.isToggled(name)) await commands.execute(name);
        }"""
    )
    before = path.stat().st_mtime_ns
    for _ in range(200):
        notebook.save()
        notebook.page.wait_for_timeout(100)
        content = json.loads(path.read_text(encoding="utf-8"))
        if path.stat().st_mtime_ns != before and "widgets" in content["metadata"]:
            for cell in content["cells"]:
                cell["source"] = ""
            return dict(content)
    pytest.fail("the notebook was not saved with its widgets")


def states(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the states of the quizzes in a saved notebook."""
    widgets = content["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    every = [each["state"] for each in widgets.values()]
    return [each for each in every if "told" in each.get("_state", {})]


def without_code(content: dict[str, Any]) -> str:
    """Return a saved notebook as text, without the page's own program and style."""
    for state in states(content):
        state["_esm"] = state["_css"] = ""
    return json.dumps(content, ensure_ascii=False)


def test_a_whole_quiz(lab: Lab) -> None:
    path = lab.write_notebook("quiz.ipynb", [WHOLE])
    scores = lab.folder / "scores.csv"
    notebook = lab.open(path)
    notebook.run_all()
    page, root = notebook.page, notebook.page.locator(".vidlab-quiz")
    root.get_by_role("textbox", name="Your name").fill("Mina")
    page.keyboard.press("Enter")
    # The first question: nothing of its answer is on the page, nor in the notebook as saved.
    choices = wait_choices(root)
    expect(choices).to_have_count(4)
    expect(root.get_by_role("heading")).to_have_text("Clip 1 of 3")
    picture = root.get_by_role("img", name="The clip, without sound")
    expect(picture).to_have_js_property("naturalHeight", 256)
    first = picture.get_attribute("src")
    expect(picture).not_to_have_attribute("src", str(first))
    commit = root.get_by_role("button", name="Commit")
    expect(commit).to_be_disabled()
    content = saved(notebook, path)
    [state] = states(content)
    assert state["_state"]["told"] == {}
    text = without_code(content)
    assert "Mina" in text
    for label in vl.LabelMap.named("stick-actions"):
        assert label not in text, label
    assert ".mp4" not in text + root.inner_text()
    assert barriers(page, ".vidlab-quiz") == []
    # Keys choose and commit; JupyterLab makes nothing of them.
    names = choices.all_inner_texts()
    right = next(n for n, each in enumerate(names) if each.split("\n")[-1] == "squat")
    page.keyboard.press(str(right + 1))
    expect(root.get_by_role("radio", checked=True).first).to_be_checked()
    page.keyboard.press("Enter")
    verdict = root.locator(".vl-quiz-verdict")
    expect(verdict).to_have_text("✓Right. It is: squat.")
    expect(root.get_by_role("status").last).to_have_text("Right. It is: squat.")
    expect(root.locator(".vl-quiz-scores")).to_have_text("Mina1/1Atiny1/1")
    expect(root.locator(".vl-quiz-models .vl-row").first).to_contain_text("squat")
    expect(root).to_contain_text("squat.mp4")
    assert barriers(page, ".vidlab-quiz") == []
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == 1
    [row] = csv.DictReader(scores.read_text(encoding="utf-8").splitlines())
    assert [row["name"], row["choice"], row["correct"]] == ["Mina", "squat", "True"]
    # A page that is loaded again shows what was committed.
    assert states(saved(notebook, path))[0]["_state"]["told"]["0"]["video"] == "squat.mp4"
    page.reload()
    expect(verdict).to_have_text("✓Right. It is: squat.", timeout=READY_MS)
    expect(picture).to_have_js_property("naturalHeight", 256, timeout=READY_MS)
    # On, with the mouse, and wrong.
    root.get_by_role("button", name="Next").click()
    expect(root.get_by_role("heading")).to_have_text("Clip 2 of 3")
    choices = wait_choices(root)
    wrong = next(n for n, each in enumerate(choices.all_inner_texts()) if "waving hand" not in each)
    choices.nth(wrong).click()
    root.get_by_role("radio", name="sure", exact=True).check()
    commit.click()
    expect(verdict).to_have_text("✗Not this one. It is: waving hand.")
    expect(root.locator(".vl-quiz-right")).to_contain_text("right answer")
    expect(root.locator(".vl-quiz-scores")).to_have_text("Mina1/2Atiny2/2")
    page.keyboard.press("Enter")
    wait_choices(root).filter(has_text="moonwalking right").click()
    page.keyboard.press("Enter")
    root.get_by_role("button", name="See how it went").click()
    expect(root.get_by_role("heading", name="You got 2 of 3 right")).to_be_visible()
    expect(root.locator(".vl-quiz-standing tbody tr")).to_have_text(
        ["Mina2/367 %", "A tiny3/3100 %"]
    )
    expect(root.locator(".vl-quiz-differences tbody tr")).to_have_count(1)
    expect(root.locator(".vl-quiz-differences tbody tr")).to_contain_text("waving_hand.mp4")
    expect(root.locator(".vl-quiz-list li")).to_have_text(
        ["I think so: 2 of 2 right", "sure: 0 of 1 right"]
    )
    assert barriers(page, ".vidlab-quiz") == []
    told = "[len(quiz.scores), quiz.summary['num_correct'].tolist(), quiz.problems]"
    assert notebook.evaluate_in_kernel(told) == [3, [2, 3], {}]
    # The same learner in another kernel is where she was; another attempt keeps the first.
    kept = scores.read_bytes()
    notebook.run_cell(0)
    root.get_by_role("textbox", name="Your name").fill("Mina")
    root.get_by_role("button", name="Begin").click()
    expect(root.get_by_role("heading", name="You got 2 of 3 right")).to_be_visible()
    root.get_by_role("button", name="Once more").click()
    wait_choices(root).first.click()
    commit.click()
    expect(verdict).to_be_visible()
    assert scores.read_bytes().startswith(kept)
    assert notebook.evaluate_in_kernel("quiz.scores['attempt'].tolist()") == [1, 1, 1, 2]
    assert notebook.messages == []
    notebook.close()


BAD = [
    '<img src=x onerror="window.ran = 1">',
    '"><script>window.ran = 1</script>',
    "</label><b>bold</b>",
]


def test_names_are_text_and_problems_can_be_gone_past(lab: Lab) -> None:
    cells = [
        f"""import pandas as pd, vidlab as vl
bad = {BAD!r}
samples = vl.sample_videos()
table = pd.DataFrame({{"video": [str(samples["squat"]), "gone.mp4"], "label": bad[0]}})
table["predicted_" + bad[1]] = bad[2]
quiz = vl.quiz(table, choices=bad, name=bad[0])
quiz""",
        """vl.quiz([samples["squat"]], truth="squat", choices=["squat", "lunge"], name="민아",
        labels="ko", locale="ko")""",
    ]
    notebook = lab.open(lab.write_notebook("bad.ipynb", cells), width=560)
    notebook.run_all()
    page = notebook.page
    root, korean = (page.locator(".vidlab-quiz").nth(n) for n in (0, 1))
    choices = wait_choices(root)
    expect(choices.locator(".vl-quiz-words")).to_have_text(BAD)
    choices.nth(1).click()
    page.keyboard.press("Enter")
    expect(root.locator(".vl-quiz-verdict")).to_contain_text(BAD[0])
    expect(root.locator(".vl-quiz-models")).to_contain_text(BAD[2])
    root.get_by_role("button", name="Next").click()
    expect(root.locator(".vl-quiz-side")).to_contain_text("its file is missing or damaged")
    expect(root.locator("label.vl-quiz-choice")).to_have_count(0)
    assert "gone" not in root.inner_text()
    root.get_by_role("button", name="Skip this clip").click()
    expect(root.get_by_role("heading", name="You got 0 of 1 right")).to_be_visible()
    assert page.evaluate("() => window.ran") is None
    assert root.locator("script, b, img").count() == 0
    # Korean, by the keyboard alone.
    expect(wait_choices(korean)).to_contain_text(["스쿼트하기", "런지하기"])
    korean.focus()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(korean.locator(".vl-quiz-verdict")).to_have_text("✗틀렸습니다. 정답: 스쿼트하기")
    assert barriers(page, ".vidlab-quiz") == []
    width = "(each) => each.scrollWidth - each.clientWidth"
    assert [korean.evaluate(width), root.evaluate(width)] == [0, 0]
    assert notebook.messages == []
    notebook.close()


def test_who_is_quick_need_not_wait_for_the_kernels_last_word(lab: Lab) -> None:
    """What was committed is told first, and only then that it was: Enter in between goes on."""
    cell = """import time, vidlab as vl
samples = vl.sample_videos()
quiz = vl.quiz([samples["squat"], samples["waving_hand"]], truth=["squat", "waving hand"],
               choices=["squat", "lunge", "waving hand"], name="Mina")
send = quiz.send
def slowly(content, *rest):
    if content.get("result") == {}:
        time.sleep(2)
    send(content, *rest)
quiz.send = slowly
quiz"""
    notebook = lab.open(lab.write_notebook("quick.ipynb", [cell]))
    notebook.run_all()
    page, root = notebook.page, notebook.page.locator(".vidlab-quiz")
    choices = wait_choices(root)
    choices.nth(0).click()
    page.keyboard.press("Enter")
    expect(root.locator(".vl-quiz-verdict")).to_be_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # twice is once
    expect(root.get_by_role("heading")).to_have_text("Clip 2 of 2", timeout=READY_MS)
    wait_choices(root)
    expect(root.locator(".vl-notice:visible")).to_have_count(0)
    notebook.close()


def test_a_learner_who_wants_no_motion_starts_the_clip(lab: Lab) -> None:
    cell = """import vidlab as vl
vl.quiz(vl.sample_videos()["squat"], truth="squat", choices=["squat", "lunge"], name="Mina")"""
    notebook = lab.open(lab.write_notebook("still.ipynb", [cell]), reduced_motion="reduce")
    notebook.run_all()
    root = notebook.page.locator(".vidlab-quiz")
    wait_choices(root)
    picture = root.locator(".vl-quiz-picture")
    expect(picture).to_have_js_property("naturalHeight", 256, timeout=READY_MS)
    still = picture.get_attribute("src")
    notebook.page.wait_for_timeout(600)
    expect(picture).to_have_attribute("src", str(still))
    root.get_by_role("button", name="Play", exact=True).click()
    expect(picture).not_to_have_attribute("src", str(still))
    root.get_by_role("button", name="Pause", exact=True).click()
    notebook.close()
