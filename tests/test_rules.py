"""Rules on what is seen: examples, the definition in whole milliseconds, and texts read back."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vidlab as vl
from vidlab.core.errors import LabelMapError, OptionError, PredictionsError, VidlabError
from vidlab.rules import (
    Rule,
    RuleEvent,
    Sequel,
    Watcher,
    event_table,
    find_events,
    parse_rule,
    shown_titles,
)

LABELS = vl.LabelMap(["wash", "glove", "touch", "rest"], name="clinic")
KINETICS = list(vl.LabelMap.named("kinetics-600"))
COLUMNS = ["rule", "kind", "label", "probability", "start_seconds", "time_seconds", "model"]
TITLE = "litert:a0 (int8)"


def rows_of(shown: str, labels: vl.LabelMap = LABELS, probability: float = 0.9) -> np.ndarray:
    """Return an answer for each letter: its label's is the likely one; none is for ``.``."""
    rows = np.full((len(shown), len(labels)), (1 - probability) / (len(labels) - 1), np.float32)
    for row, letter in zip(rows, shown, strict=True):
        row[:] = 1 / len(labels) if letter == "." else row
        row[[label[0] == letter for label in labels]] = probability
    return rows


def predictions(rows: np.ndarray, times=None, **options) -> vl.Predictions:
    """Predictions with these probabilities, one answer a second unless said otherwise."""
    about = {
        "video": "clip.mp4",
        "model": "a0",
        "backend": "litert",
        "title": TITLE,
        "labels": LABELS,
        "frame_index": np.arange(len(rows)),
        "time_seconds": np.arange(len(rows), dtype=np.float64) if times is None else times,
    }
    return vl.Predictions(logits=np.log(np.maximum(rows, 1e-30)), **(about | options))


def found(shown: str, rules, times=None) -> list[tuple]:
    """Return kind, label, start and time of what is found where letters stand for labels."""
    table = find_events(predictions(rows_of(shown), times), rules)
    columns = table[["kind", "label", "start_seconds", "time_seconds"]]
    return list(columns.itertuples(index=False, name=None))


def watched(rule, pushes, title: str = TITLE) -> list[tuple[str, float]]:
    watcher = Watcher(rule, {title: LABELS})
    events = [
        each for time, letter in pushes for each in watcher.push(title, time, rows_of(letter)[0])
    ]
    return [(event.kind, event.time_seconds) for event in events + watcher.finish()]


# ---- one rule --------------------------------------------------------------------------------


def test_hands_washed_for_two_seconds():
    events = find_events(
        predictions(rows_of("..wwwww.ww")), Rule("wash", probability=0.6, for_seconds=2)
    )
    assert events.columns.tolist() == COLUMNS
    (event,) = events.to_dict("records")
    assert event == {
        "rule": "wash >= 0.6 for 2 s",
        "kind": "seen",
        "label": "wash",
        "probability": pytest.approx(0.9),
        "start_seconds": 2.0,
        "time_seconds": 4.0,
        "model": TITLE,
    }


def test_each_stretch_is_seen_once_at_its_first_answer_where_no_duration_is_asked():
    assert found("w.wwww.w", Rule("wash")) == [
        ("seen", "wash", 0, 0),
        ("seen", "wash", 2, 2),
        ("seen", "wash", 7, 7),
    ]


@pytest.mark.parametrize("start", [0.0, 0.1, 0.3, 0.6, 1.1, 95443.7])
@pytest.mark.parametrize("for_seconds", [0.2, 0.6, 2, 2.2])
def test_a_stretch_that_lasts_exactly_as_long_is_seen(start, for_seconds):
    num_steps = round(for_seconds * 5)
    times = start + np.arange(num_steps + 1) / 5
    rule = Rule("wash", for_seconds=for_seconds)
    assert len(found("w" * (num_steps + 1), rule, times)) == 1
    assert found("w" * num_steps, rule, times[:-1]) == []


def test_a_probability_of_exactly_as_much_is_enough():
    # The float32 nearest to 0.7 is less than 0.7; to 0.6 it is more than 0.6.
    for probability in (0.6, 0.7, 1.0):
        watcher = Watcher(Rule("wash", probability=probability), {TITLE: LABELS})
        row = np.zeros(4, np.float32)
        row[0] = np.nextafter(np.float32(probability), np.float32(0))
        assert watcher.push(TITLE, 0, row) == []
        row[0] = probability
        (event,) = watcher.push(TITLE, 1, row)
        assert event.probability == float(np.float32(probability))


def test_one_answer_below_begins_the_stretch_anew():
    assert found("ww.ww.www", Rule("wash", for_seconds=2)) == [("seen", "wash", 6, 8)]


def test_a_probability_that_is_no_number_ends_the_stretch():
    watcher = Watcher(Rule("wash", for_seconds=1), {TITLE: LABELS})
    row = rows_of("w")[0]
    watcher.push(TITLE, 0, row)
    assert watcher.push(TITLE, 1, np.full(4, np.nan, np.float32)) == []
    assert watcher.push(TITLE, 2, row) == []
    assert len(watcher.push(TITLE, 3, row)) == 1


def test_in_a_cool_down_nothing_is_seen():
    #        0123456789
    shown = "w.w.w.w.w."
    assert found(shown, Rule("wash", cooldown_seconds=4)) == [
        ("seen", "wash", 0, 0),
        ("seen", "wash", 4, 4),
        ("seen", "wash", 8, 8),
    ]
    assert [row[3] for row in found(shown, Rule("wash", cooldown_seconds=5))] == [0, 6]


def test_a_new_stretch_that_lasts_till_the_cool_down_ends_is_seen_then():
    assert found("w.wwwwww", Rule("wash", cooldown_seconds=4)) == [
        ("seen", "wash", 0, 0),
        ("seen", "wash", 2, 4),
    ]


def test_the_stretch_that_was_seen_is_not_seen_again_after_the_cool_down():
    assert found("wwwwwwww", Rule("wash", cooldown_seconds=2)) == [("seen", "wash", 0, 0)]


def test_the_cool_down_ends_exactly_where_floats_stray():
    # 2.3 - 0.3 is less than 2 in floats.
    times = [0.3, 1.0, 2.3]
    assert len(found("w.w", Rule("wash", cooldown_seconds=2), times)) == 2


def test_a_reset_ends_the_stretch_but_not_the_cool_down():
    row = rows_of("w")[0]
    watcher = Watcher(Rule("wash", for_seconds=2), {TITLE: LABELS})
    watcher.push(TITLE, 0, row)
    watcher.push(TITLE, 1, row)
    watcher.reset(TITLE)
    assert watcher.push(TITLE, 2, row) == watcher.push(TITLE, 3, row) == []
    (event,) = watcher.push(TITLE, 4, row)
    assert event.start_seconds == 2

    watcher = Watcher(Rule("wash", cooldown_seconds=10), {TITLE: LABELS})
    assert len(watcher.push(TITLE, 0, row)) == 1
    watcher.reset(TITLE)
    assert watcher.push(TITLE, 9, row) == []
    (event,) = watcher.push(TITLE, 10, row)
    assert (event.start_seconds, event.time_seconds) == (9, 10)


def test_a_reset_is_of_one_model():
    labels_of = {TITLE: LABELS, "torch:a0 (float)": LABELS}
    watcher = Watcher(Rule("wash", for_seconds=1), labels_of)
    row = rows_of("w")[0]
    for title in labels_of:
        watcher.push(title, 0, row)
    watcher.reset(TITLE)
    assert watcher.push(TITLE, 1, row) == []
    assert len(watcher.push("torch:a0 (float)", 1, row)) == 1


# ---- one after another -----------------------------------------------------------------------

PROCEDURE = Rule("glove").then("touch", within_seconds=30)


def test_glove_on_then_patient_touched_within_thirty_seconds_else_alert():
    times = [0, 5, 34, 40, 50, 90]
    events = find_events(predictions(rows_of(".gt.g."), np.array(times, float)), PROCEDURE)
    assert events["kind"].tolist() == ["done", "missed"]
    done, missed = events.to_dict("records")
    assert done["label"] == missed["label"] == "touch"
    assert (done["start_seconds"], done["time_seconds"]) == (5, 34)
    assert done["probability"] == pytest.approx(0.9)
    # It is decided when the time runs out, not when the next answer happens to come.
    assert (missed["start_seconds"], missed["time_seconds"]) == (50, 80)
    assert math.isnan(missed["probability"])
    assert set(events["rule"]) == {"glove >= 0.5, then touch >= 0.5 within 30 s"}


def test_what_is_seen_as_the_time_runs_out_is_in_time():
    for start in (0.0, 0.1, 0.3, 1.1):
        assert watched(PROCEDURE, [(start, "g"), (start + 30, "t")]) == [("done", start + 30)]
        late = [(start, "g"), (start + 30.001, "t")]
        assert watched(PROCEDURE, late) == [("missed", start + 30)]


def test_with_time_left_at_the_end_it_is_open():
    assert found("..g..", PROCEDURE) == [("open", "touch", 2, 4)]
    event = Watcher(PROCEDURE, {TITLE: LABELS})
    event.push(TITLE, 0, rows_of("g")[0])
    (last,) = event.finish()
    assert (last.kind, last.probability) == ("open", None)
    assert event.finish() == []


def test_without_the_first_part_there_is_nothing_to_wait_for():
    assert found("t.t.t", PROCEDURE) == []


def test_the_first_part_again_does_not_give_more_time():
    rule = Rule("glove").then("touch", within_seconds=4)
    assert found("g.g..t", rule) == [("missed", "touch", 0, 4)]
    assert found("g.gt.t", rule) == [("done", "touch", 0, 3)]


def test_after_done_and_after_missed_it_waits_for_the_first_part_again():
    rule = Rule("glove").then("touch", within_seconds=2)
    assert found("gtt.gt....t", rule) == [("done", "touch", 0, 1), ("done", "touch", 4, 5)]
    assert found("g...g.t", rule) == [("missed", "touch", 0, 2), ("done", "touch", 4, 6)]


def test_the_first_part_may_be_seen_with_the_answer_that_tells_that_time_ran_out():
    rule = Rule("glove").then("touch", within_seconds=2)
    assert found("g..gt", rule) == [("missed", "touch", 0, 2), ("done", "touch", 3, 4)]


def test_what_was_seen_before_its_turn_counts_when_seen_anew():
    low = Rule("glove", probability=0.2).then(Rule("touch", probability=0.2), within_seconds=9)
    both = np.array([0.1, 0.4, 0.4, 0.1], np.float32)
    touch, rest = rows_of("t")[0], rows_of("r")[0]
    watcher = Watcher(low, {TITLE: LABELS})
    pushes = [(0, touch), (1, both), (2, both), (3, rest), (4, touch)]
    events = [event for time, row in pushes for event in watcher.push(TITLE, time, row)]
    assert [(event.kind, event.start_seconds, event.time_seconds) for event in events] == [
        ("done", 1, 4)
    ]


def test_one_answer_is_not_two_parts():
    twice = Rule("wash").then("wash", within_seconds=9)
    assert found("w", twice) == [("open", "wash", 0, 0)]
    assert found("w.w.w", twice) == [("done", "wash", 0, 2), ("open", "wash", 4, 4)]


def test_parts_have_durations_and_cool_downs_of_their_own():
    rule = Rule("wash", for_seconds=2, cooldown_seconds=10).then(
        Rule("glove", for_seconds=1), within_seconds=3
    )
    #        0         10
    shown = "wwwg.gg.wwwwwggg"
    # At 8 s hands are washed again, but in the cool-down of 2 s + 10 s.
    assert found(shown, rule) == [("missed", "glove", 0, 5), ("done", "glove", 8, 14)]


def test_a_part_that_lasts_long_enough_too_late_is_missed():
    rule = Rule("glove").then(Rule("touch", for_seconds=2), within_seconds=3)
    assert found("g.ttt", rule) == [("missed", "touch", 0, 3)]
    assert found("gttt", rule) == [("done", "touch", 0, 3)]


def test_a_chain_gives_each_part_its_own_time():
    chain = Rule("wash").then("glove", within_seconds=3).then("touch", within_seconds=2)
    assert found("w..g.t", chain) == [("done", "touch", 0, 5)]
    assert found("w..g...t", chain) == [("missed", "touch", 0, 5)]
    assert found("w....g.t", chain) == [("missed", "glove", 0, 3)]
    assert found("w.t.g.", chain) == [("missed", "glove", 0, 3)]
    assert found("w..g.", chain) == [("open", "touch", 0, 4)]
    assert [part.label for part in chain.parts] == ["wash", "glove", "touch"]
    assert chain.within_seconds == (3, 2)


def test_a_reset_in_the_middle_of_a_sequence_ends_stretches_and_not_the_waiting():
    rule = Rule("glove").then(Rule("touch", for_seconds=1), within_seconds=5)
    watcher = Watcher(rule, {TITLE: LABELS})
    glove, touch = rows_of("g")[0], rows_of("t")[0]
    watcher.push(TITLE, 0, glove)
    watcher.push(TITLE, 1, touch)
    watcher.reset(TITLE)
    assert watcher.push(TITLE, 2, touch) == []
    (event,) = watcher.push(TITLE, 3, touch)
    assert (event.kind, event.start_seconds, event.time_seconds) == ("done", 0, 3)


def test_time_that_goes_on_without_answers_decides_what_is_missed():
    watcher = Watcher([PROCEDURE, Rule("wash").then("rest", within_seconds=2)], {TITLE: LABELS})
    watcher.push(TITLE, 0, rows_of("g")[0])
    watcher.push(TITLE, 1, rows_of("w")[0])
    assert watcher.advance(3) == []
    (event,) = watcher.advance(4)
    assert (event.label, event.time_seconds) == ("rest", 3)
    assert watcher.advance(30) == []
    (event,) = watcher.advance(31)
    assert event == RuleEvent(
        rule=str(PROCEDURE),
        kind="missed",
        label="touch",
        probability=None,
        start_seconds=0.0,
        time_seconds=30.0,
        model=TITLE,
    )
    assert watcher.advance(1e9) == watcher.finish() == []


def test_events_of_one_answer_are_in_order_of_time():
    rules = [
        Rule("rest"),
        Rule("glove").then("touch", within_seconds=9),
        Rule("glove").then("wash", within_seconds=4),
    ]
    assert [row[0::3] for row in found("g" + "." * 10 + "r", rules)] == [
        ("missed", 4),
        ("missed", 9),
        ("seen", 11),
    ]


# ---- the definition --------------------------------------------------------------------------

# Times are whole milliseconds here, so that the definitions below are exact.
gaps = st.sampled_from([40, 200, 333, 1000])
runs = st.tuples(st.sampled_from("wg."), st.integers(1, 4))
durations = st.sampled_from([0, 0, 40, 200, 1000])
part_rules = st.builds(
    lambda label, probability, lasts, pause: Rule(
        label,
        probability=probability,
        for_seconds=lasts / 1000,
        cooldown_seconds=pause / 1000,
    ),
    st.sampled_from(["wash", "glove"]),
    st.sampled_from([0.25, 0.4, 0.8]),
    durations,
    st.sampled_from([0, 200, 1000, 2500, 6000]),
)


@st.composite
def sequels(draw):
    rule = draw(part_rules)
    for _ in range(draw(st.integers(1, 2))):
        within = draw(st.sampled_from([40, 1000, 2500, 6000, 9000])) / 1000
        rule = rule.then(draw(part_rules), within_seconds=within)
    return rule


any_rules = st.one_of(part_rules, sequels())


@st.composite
def recorded(draw, title: str = TITLE):
    """Draw predictions whose answers come at whole milliseconds, some in longer stretches."""
    num_answers = draw(st.sampled_from([1, 2, 5, 20, 40]))
    every = {"min_size": num_answers, "max_size": num_answers}
    times = np.cumsum(draw(st.lists(gaps, **every)))
    shown = "".join(letter * length for letter, length in draw(st.lists(runs, **every)))
    rows = rows_of(shown[:num_answers], probability=draw(st.sampled_from([0.4, 0.9])))
    start = draw(st.sampled_from([0, 100, 95_443_700]))
    return predictions(rows, (times + start) / 1000, title=title)


def milliseconds(preds: vl.Predictions) -> list[int]:
    return [round(time * 1000) for time in preds.time_seconds]


def seen_by_definition(preds: vl.Predictions, rule: Rule) -> list[tuple[int, int]]:
    """Return start and time, in ms, of what is seen: from each stretch as a whole."""
    times = milliseconds(preds)
    column = preds.probabilities[:, LABELS.id_of(rule.label)]
    enough = [bool(value >= np.float32(rule.probability)) for value in column]
    edges = [place for place, (a, b) in enumerate(pairwise([False, *enough, False])) if a != b]
    seen: list[tuple[int, int]] = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        earliest = times[begin] + round(rule.for_seconds * 1000)
        if seen:
            earliest = max(earliest, seen[-1][1] + round(rule.cooldown_seconds * 1000))
        first = next((time for time in times[begin:end] if time >= earliest), None)
        if first is not None:
            seen.append((times[begin], first))
    return seen


def followed_by_definition(preds: vl.Predictions, rule: Sequel) -> list[tuple[str, int, int, int]]:
    """Return kind, part, start and time, in ms, from when each part is seen."""
    seen = [seen_by_definition(preds, part) for part in rule.parts]
    last = milliseconds(preds)[-1]
    events: list[tuple[str, int, int, int]] = []
    after = -1
    while (first := next((each for each in seen[0] if each[1] > after), None)) is not None:
        start, now = first
        for number, within in enumerate(rule.within_seconds, start=1):
            deadline = now + round(within * 1000)
            times = [time for _, time in seen[number] if now < time <= deadline]
            if not times:
                kind = "missed" if last > deadline else "open"
                after = deadline if kind == "missed" else last
                events.append((kind, number, start, after))
                break
            now = times[0]
        else:
            events.append(("done", len(rule.parts) - 1, start, now))
            after = now
    return events


@given(recorded(), part_rules)
def test_a_rule_sees_what_its_definition_says(preds, rule):
    table = find_events(preds, rule)
    rows = zip(table["start_seconds"], table["time_seconds"], strict=True)
    assert [(round(a * 1000), round(b * 1000)) for a, b in rows] == seen_by_definition(preds, rule)
    assert set(table["kind"]) <= {"seen"}
    assert (table["probability"] >= np.float32(rule.probability)).all()


@given(recorded(), sequels())
def test_a_sequence_finds_what_its_definition_says(preds, rule):
    table = find_events(preds, rule)
    expected = followed_by_definition(preds, rule)
    assert table["kind"].tolist() == [kind for kind, *_ in expected]
    assert table["label"].tolist() == [rule.parts[part].label for _, part, *_ in expected]
    for column, place in (("start_seconds", 2), ("time_seconds", 3)):
        np.testing.assert_allclose(table[column], [each[place] / 1000 for each in expected])
    assert (table["probability"].isna() == (table["kind"] != "done")).all()


@given(
    recorded(),
    recorded("torch:a0 (float)"),
    st.lists(any_rules, max_size=4),
    st.randoms(use_true_random=False),
)
def test_live_answers_give_the_events_of_recorded_ones(one, other, rules, random):
    """In whatever order two models' answers come, and however often the time is told."""
    watcher = Watcher(rules, {each.title: each.labels for each in (one, other)})
    num_pushed = {each.title: 0 for each in (one, other)}
    events = []
    while left := [each for each in (one, other) if num_pushed[each.title] < len(each)]:
        preds = random.choice(left)
        place = num_pushed[preds.title]
        num_pushed[preds.title] += 1
        events += watcher.push(preds.title, preds.time_seconds[place], preds.probabilities[place])
        # Until its next answer a model's time is known to be without one; not after its last.
        until = min(
            each.time_seconds[min(num_pushed[each.title], len(each) - 1)] for each in (one, other)
        )
        if random.random() < 0.5:
            events += watcher.advance(float(until))
    events += watcher.finish()
    table = find_events([one, other], rules)
    for preds in (one, other):
        mine = [event for event in events if event.model == preds.title]
        alone = find_events(preds, rules)
        pd.testing.assert_frame_equal(event_table(mine), alone)
        together = table[table["model"] == preds.title].reset_index(drop=True)
        pd.testing.assert_frame_equal(together, alone)
    assert table["time_seconds"].is_monotonic_increasing


@given(recorded(), any_rules)
def test_one_model_live_gives_the_same_table_row_by_row(preds, rule):
    watcher = Watcher(rule, {preds.title: preds.labels})
    events = []
    for time, row in zip(preds.time_seconds, preds.probabilities, strict=True):
        events += watcher.push(preds.title, time, row)
    events += watcher.finish()
    pd.testing.assert_frame_equal(event_table(events), find_events(preds, rule))


# ---- several models --------------------------------------------------------------------------

OTHER = vl.LabelMap(["jump", "wash"], name="gym")


def test_a_rule_runs_for_each_model_on_its_own():
    one = predictions(rows_of("ww...w"))
    other = predictions(rows_of("jjjww", OTHER), labels=OTHER, title="torch:x3d (float)", model="x")
    table = find_events([one, other], Rule("wash", for_seconds=1))
    assert table[["model", "time_seconds"]].to_numpy().tolist() == [
        [TITLE, 1.0],
        ["torch:x3d (float)", 4.0],
    ]


def test_a_model_that_is_ahead_decides_nothing_for_another():
    watcher = Watcher(PROCEDURE, {TITLE: LABELS, "torch:x3d (float)": LABELS})
    assert watcher.push(TITLE, 0, rows_of("g")[0]) == []
    assert watcher.push("torch:x3d (float)", 100, rows_of("t")[0]) == []
    (event,) = watcher.push(TITLE, 30, rows_of("t")[0])
    assert (event.kind, event.model) == ("done", TITLE)


def test_a_label_that_one_model_knows_runs_on_that_one():
    labels_of = {TITLE: LABELS, "torch:x3d (float)": OTHER}
    watcher = Watcher(Rule("jump"), labels_of)
    assert watcher.push(TITLE, 0, np.ones(4, np.float32)) == []
    (event,) = watcher.push("torch:x3d (float)", 0, np.ones(2, np.float32))
    assert (event.label, event.model) == ("jump", "torch:x3d (float)")


def test_a_label_that_no_model_knows_is_refused_with_the_nearest():
    labels_of = {TITLE: LABELS, "torch:x3d (float)": OTHER}
    with pytest.raises(LabelMapError, match=r"clinic, gym\. Did you mean 'jump'"):
        Watcher(Rule("jumpp"), labels_of)
    with pytest.raises(LabelMapError, match="'washh' is not one of the labels of clinic"):
        find_events(predictions(rows_of("w")), Rule("glove").then("washh", within_seconds=1))
    with pytest.raises(LabelMapError, match="Did you mean 'washing hands'"):
        Watcher(Rule("wash hands"), {"t": vl.LabelMap.named("kinetics-600")})


def test_a_sequence_needs_one_model_that_knows_all_its_labels():
    labels_of = {TITLE: LABELS, "torch:x3d (float)": OTHER}
    with pytest.raises(LabelMapError, match="seen by one model; none of"):
        Watcher(Rule("jump").then("glove", within_seconds=1), labels_of)
    watcher = Watcher(Rule("jump").then("wash", within_seconds=1), labels_of)
    assert watcher.push("torch:x3d (float)", 0, rows_of("j", OTHER)[0]) == []
    (event,) = watcher.push("torch:x3d (float)", 1, rows_of("w", OTHER)[0])
    assert event.kind == "done"


@pytest.mark.parametrize("model", [TITLE, "a0"])
def test_a_rule_may_be_for_one_model(model):
    labels_of = {TITLE: LABELS, "torch:x3d (float)": LABELS}
    row = rows_of("w")[0]
    for rule in (
        Rule("wash", model=model),
        Rule("glove").then(Rule("wash", model=model), within_seconds=9),
    ):
        watcher = Watcher(rule, labels_of)
        events = []
        for time, letter in enumerate("gw"):
            for title in labels_of:
                events += watcher.push(title, time, rows_of(letter)[0])
        assert [event.model for event in events] == [TITLE]
    both = Watcher(Rule("wash", model="a0"), {TITLE: LABELS, "torch:a0 (float), mean of 3": LABELS})
    assert len(both.push("torch:a0 (float), mean of 3", 0, row)) == 1
    assert len(both.push(TITLE, 0, row)) == 1


def test_a_rule_for_a_model_that_is_not_there_is_refused():
    with pytest.raises(OptionError, match=r"for the model 'a1'; there are litert:a0 \(int8\)"):
        Watcher(Rule("wash", model="a1"), {TITLE: LABELS})
    with pytest.raises(LabelMapError, match="'jump' is not one of the labels of clinic"):
        Watcher(Rule("jump", model=TITLE), {TITLE: LABELS, "torch:x3d (float)": OTHER})
    with pytest.raises(OptionError, match="are for one model; got 'a0' and 'a1'"):
        Rule("wash", model="a0").then(Rule("glove", model="a1"), within_seconds=1)


def test_models_with_the_same_title_are_told_apart():
    twice = [predictions(rows_of("w")), predictions(rows_of(".w"))]
    assert find_events(twice, Rule("wash"))["model"].tolist() == [TITLE, f"{TITLE} #2"]


def test_what_has_predictions_is_taken():
    one, other = predictions(rows_of(".w")), predictions(rows_of("w."), title="torch:b (float)")
    table = find_events(vl.Comparison([one, other]), Rule("wash"))
    pd.testing.assert_frame_equal(table, find_events([one, other], Rule("wash")))
    pd.testing.assert_frame_equal(
        find_events(SimpleNamespace(predictions=[one]), Rule("wash")),
        find_events(one, Rule("wash")),
    )
    assert table["model"].tolist() == ["torch:b (float)", TITLE]


def test_clips_count_at_their_last_frame():
    preds = predictions(
        rows_of("www"),
        np.array([1.0, 1.0, 2.0]),
        frame_index=np.array([10, 10, 20]),
        clip_start=np.array([0, 5, 10]),
    )
    table = find_events(preds, Rule("wash", for_seconds=1))
    assert table["time_seconds"].tolist() == [2.0]


# ---- tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        event_table([]),
        find_events(predictions(np.zeros((0, 4))), [Rule("wash"), PROCEDURE]),
        find_events(predictions(rows_of("w")), []),
    ],
)
def test_without_events_the_table_has_its_columns_and_types(table):
    assert table.empty
    full = find_events(predictions(rows_of("wg")), [Rule("wash"), PROCEDURE])
    assert full["kind"].tolist() == ["seen", "open"]
    assert table.dtypes.to_dict() == full.dtypes.to_dict()
    assert list(table.columns) == COLUMNS
    alert = find_events(predictions(rows_of("g")), PROCEDURE)
    assert alert.dtypes.to_dict() == full.dtypes.to_dict()


def test_predictions_without_answers_still_tell_a_wrong_label():
    with pytest.raises(LabelMapError):
        find_events(predictions(np.zeros((0, 4))), Rule("wahs"))


def test_an_event_is_plain_data():
    watcher = Watcher(Rule("wash", name="hygiene"), {TITLE: LABELS})
    (event,) = watcher.push(TITLE, np.float64(1.5), rows_of("w")[0])
    assert json.loads(json.dumps(event.as_dict())) == {
        "rule": "hygiene",
        "kind": "seen",
        "label": "wash",
        "probability": pytest.approx(0.9),
        "start_seconds": 1.5,
        "time_seconds": 1.5,
        "model": TITLE,
    }


def test_events_go_by_the_rules_name():
    assert Rule("wash", name="hygiene").title == "hygiene"
    rule = Rule("glove", name="on").then("touch", within_seconds=2)
    assert rule.title == "on, then touch >= 0.5 within 2 s"
    assert str(rule) == "glove >= 0.5, then touch >= 0.5 within 2 s"
    named = rule.then("wash", within_seconds=1, name="procedure")
    assert named.title == "procedure"
    events = find_events(predictions(rows_of("gtw")), named)
    assert events["rule"].tolist() == ["procedure"]


def test_titles_are_shown_with_labels_in_another_language_and_names_as_they_are():
    washed, mine = Rule("washing hands", probability=0.6, for_seconds=2), Rule("my <b>label</b>")
    both = washed.then(Rule("archery", name="then this"), within_seconds=30)
    named = [replace(washed, name="washing hands"), replace(both, name="archery")]
    assert shown_titles([washed, mine, both, *named], "ko") == {
        "washing hands >= 0.6 for 2 s": "손 씻기 >= 0.6 for 2 s",
        "my <b>label</b> >= 0.5": "my <b>label</b> >= 0.5",
        "washing hands >= 0.6 for 2 s, then then this within 30 s": (
            "손 씻기 >= 0.6 for 2 s, then then this within 30 s"
        ),
        "washing hands": "washing hands",
        "archery": "archery",
    }
    with pytest.raises(OptionError, match="'kr'"):
        shown_titles([washed], "kr")


# ---- rules as text ---------------------------------------------------------------------------

seconds = st.one_of(st.integers(0, 3600), st.floats(0, 1e9))
any_label = st.one_of(
    st.sampled_from(KINETICS),
    st.sampled_from(
        [
            'a "quoted", <b>label</b>',
            '"quoted"',
            "걷기",
            "x >= 0.5",
            "x >= 0.5 for 2 s",
            "a, then b",
            "x >= 0.5, then y >= 0.6 within 3 s",
            "a, then",
            " spaces ",
            ">=",
            "two\nlines",
            "back\\slash",
            "it's, well, (commas)",
        ]
    ),
    st.text(min_size=1).filter(str.strip),
)
texts = st.builds(
    Rule,
    any_label,
    probability=st.floats(0, 1),
    for_seconds=seconds,
    cooldown_seconds=seconds,
)


@given(texts, st.lists(st.tuples(texts, seconds.filter(bool)), max_size=3))
def test_a_rule_is_read_back_from_its_text(rule, more):
    for part, within in more:
        rule = rule.then(part, within_seconds=within)
    assert parse_rule(str(rule)) == rule
    assert parse_rule(f"  {rule} ") == rule


@given(st.lists(any_rules, max_size=3), texts)
def test_titles_in_english_are_the_titles(rules, rule):
    for language in (None, "en"):
        shown = shown_titles([*rules, rule], language)
        assert shown == {each.title: each.title for each in [*rules, rule]}
    (title,) = shown_titles([rule], "ko").values()
    assert parse_rule(title) == replace(rule, label=vl.translate_labels(rule.label))


def test_labels_of_kinetics_are_written_as_they_are():
    for label in KINETICS:
        rule = Rule(label, probability=0.6, for_seconds=2)
        assert str(rule) == f"{label} >= 0.6 for 2 s"
        assert parse_rule(str(rule)) == rule


def test_a_text_has_all_but_model_and_name():
    rule = Rule("wash", for_seconds=1, model="a0", name="hygiene")
    assert parse_rule(str(rule)) == replace(rule, model=None, name=None) != rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("washing hands >= 0.6", Rule("washing hands", probability=0.6)),
        ("wash>=.6 for 2s", Rule("wash", probability=0.6, for_seconds=2)),
        ("wash >= 1 every 60 s", Rule("wash", probability=1, cooldown_seconds=60)),
        (
            "shooting goal (soccer) >= 0.5 for 1.5 s every 1e2 s",
            Rule("shooting goal (soccer)", for_seconds=1.5, cooldown_seconds=100),
        ),
        (
            "A >= 0.5, then B >= 0.6 for 1 s within 30 s",
            Rule("A").then(Rule("B", probability=0.6, for_seconds=1), within_seconds=30),
        ),
        (
            "A, B >= 0.5 every 9 s, then C >= 0.5 within 3 s,  then D >= 0.5 within 4 s",
            Rule("A, B", cooldown_seconds=9)
            .then("C", within_seconds=3)
            .then("D", within_seconds=4),
        ),
        ('"a, then b" >= 0.5', Rule("a, then b")),
    ],
)
def test_texts_that_people_write(text, rule):
    assert parse_rule(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "washing hands",
        "washing hands > 0.6",
        ">= 0.6",
        "wash >= much",
        "wash >= -1",
        "wash >= nan",
        "wash >= 0.6 for 2",
        "wash >= 0.6 for two s",
        "wash >= 0.6 every 2 s for 1 s",
        "wash >= 0.6 within 3 s",
        "A >= 0.5, then B >= 0.5",
        "A >= 0.5, then ",
        "A >= 0.5, then B",
        "A, then B >= 0.5 within 3 s",
        "A >= 0.5 within 3 s, then B >= 0.5 within 3 s",
        None,
        3,
    ],
)
def test_texts_that_are_no_rule_are_refused_with_the_form(text):
    with pytest.raises(OptionError, match=r"'washing hands >= 0\.6', with .* within 30 s'"):
        parse_rule(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wash >= 60", "between 0 and 1; got 60"),
        ("A >= 0.5, then B >= 0.5 within 0 s", "within_seconds must be more than 0"),
        ("wash >= 0.5 for 1e999 s", "finite"),
        ('"" >= 0.5', "label must be a text that is not blank"),
        (r'"a\q" >= 0.5', "JSON string"),
    ],
)
def test_texts_with_wrong_values_say_so(text, message):
    with pytest.raises(OptionError, match=message):
        parse_rule(text)


@given(st.text(st.sampled_from(list('ab ",\\>=.05forsthenwi\n')), max_size=40))
def test_any_text_is_a_rule_or_refused(text):
    try:
        rule = parse_rule(text)
    except VidlabError:
        return
    assert parse_rule(str(rule)) == rule


# ---- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"probability": 1.01},
        {"probability": -0.1},
        {"probability": 60},
        {"probability": math.nan},
        {"probability": True},
        {"probability": "0.5"},
        {"probability": None},
        {"for_seconds": -1},
        {"for_seconds": math.nan},
        {"for_seconds": math.inf},
        {"for_seconds": True},
        {"for_seconds": "2"},
        {"cooldown_seconds": -0.1},
        {"cooldown_seconds": math.nan},
        {"cooldown_seconds": False},
        {"label": ""},
        {"label": "  "},
        {"label": 3},
        {"model": ""},
        {"model": 1},
        {"name": " "},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(OptionError, match=f"^{next(iter(options))} must be"):
        Rule(**({"label": "wash"} | options))


@pytest.mark.parametrize("within", [0, -1, math.nan, math.inf, True, "3", None])
def test_bad_times_between_parts_are_refused(within):
    with pytest.raises(OptionError, match=r"^within_seconds must be"):
        Rule("glove").then("touch", within_seconds=within)
    with pytest.raises(OptionError, match=r"^within_seconds must be"):
        PROCEDURE.then("touch", within_seconds=within)


def test_bad_parts_are_refused():
    with pytest.raises(OptionError, match="label or a Rule"):
        Rule("glove").then(PROCEDURE, within_seconds=1)
    with pytest.raises(OptionError, match="not blank"):
        Rule("glove").then("", within_seconds=1)
    with pytest.raises(OptionError, match="two or more rules"):
        Sequel((Rule("glove"),), ())
    with pytest.raises(OptionError, match="name must be"):
        Rule("glove").then("touch", within_seconds=1, name="")


def test_numbers_of_numpy_are_taken_as_numbers():
    rule = Rule("wash", probability=np.float64(0.5), for_seconds=np.int64(2))
    assert rule == Rule("wash", for_seconds=2)
    assert type(rule.for_seconds) is type(rule.probability) is float
    assert str(Rule("wash", probability=-0.0)) == "wash >= 0"


@pytest.mark.parametrize("rules", ["wash >= 0.5", [Rule("wash"), "glove"], None, {"a": 1}, 3])
def test_what_is_no_rule_is_refused(rules):
    with pytest.raises(OptionError, match="parse_rule"):
        Watcher(rules, {TITLE: LABELS})


@pytest.mark.parametrize("wrong", [None, [], "clip.mp4", [1], SimpleNamespace(predictions=None)])
def test_what_are_no_predictions_is_refused(wrong):
    with pytest.raises(OptionError, match=r"vidlab\.predict"):
        find_events(wrong, Rule("wash"))


def test_predictions_of_different_videos_are_refused():
    two = [predictions(rows_of("w"), video=name) for name in ("a.mp4", "b.mp4")]
    with pytest.raises(PredictionsError, match=r"\['a\.mp4', 'b\.mp4'\]"):
        find_events(two, Rule("wash"))


def test_answers_that_do_not_fit_are_refused():
    watcher = Watcher(Rule("wash"), {TITLE: LABELS})
    row = rows_of("w")[0]
    with pytest.raises(OptionError, match="Did you mean"):
        watcher.push("litert:a0 (int)", 0, row)
    with pytest.raises(OptionError, match="is watched"):
        watcher.reset("a1")
    with pytest.raises(OptionError, match=r"4 labels .* got \[3\]"):
        watcher.push(TITLE, 0, row[:3])
    for time in (math.nan, math.inf, None, True):
        with pytest.raises(OptionError, match="finite"):
            watcher.push(TITLE, time, row)
    watcher.push(TITLE, 2, row)
    watcher.push(TITLE, 2, row)
    with pytest.raises(OptionError, match=r"at 1 s, .* not before 2\.0 s"):
        watcher.push(TITLE, 1, row)
    # What was refused has left no trace.
    assert watcher.push(TITLE, 3, row) == []


def test_watching_loads_no_pandas():
    code = (
        "import sys, numpy; from vidlab.rules import Watcher, parse_rule; "
        "from vidlab.core.labels import LabelMap; "
        "w = Watcher(parse_rule('a >= 0.5'), {'t': LabelMap(['a', 'b'])}); "
        "assert len(w.push('t', 0.0, numpy.ones(2, numpy.float32))) == 1; "
        "print([m for m in ('pandas', 'pyarrow', 'torch', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
