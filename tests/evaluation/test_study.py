"""A study's figures: each is worked out once more, by scikit-learn, SciPy or by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from arithmetic import ArithmeticModel
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import accuracy_score, top_k_accuracy_score

import vidlab as vl
from vidlab.core.errors import OptionError, PredictionsError
from vidlab.datasets import StickActions
from vidlab.evaluation import Cost, Evaluation, Study
from vidlab.evaluation.study import is_pareto

LABELS = vl.LabelMap([f"label {i}" for i in range(8)])


def made(
    seed: int,
    *,
    num_clips: int = 120,
    num_videos: int = 40,
    skill: float = 2.0,
    cost: Cost | None = None,
) -> Evaluation:
    """Answers of a model that knows something, to the same clips whatever the seed."""
    truth = np.random.default_rng(0).integers(0, len(LABELS), num_clips)
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(num_clips, len(LABELS)))
    logits[np.arange(num_clips), truth] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    clips = pd.DataFrame(
        {
            "video": [f"{i % num_videos}.mp4" for i in range(num_clips)],
            "start_seconds": np.arange(num_clips, dtype=float),
            "end_seconds": np.arange(num_clips, dtype=float) + 1,
            "label": [LABELS[i] for i in truth],
        }
    )
    return Evaluation(
        clips,
        probabilities.astype(np.float32),
        labels=LABELS,
        title=f"model {seed}",
        cost=cost or Cost(ms_per_frame=float(seed), size_mb=1.0, num_threads=1, runtime="none"),
    )


@pytest.fixture(scope="module")
def study() -> Study:
    return Study({"good": made(1, skill=3.0), "fair": made(2), "poor": made(3, skill=0.5)})


def test_each_figure_is_what_scikit_learn_gives(study: Study) -> None:
    table = study.table.set_index("model")
    for name, each in study.evaluations.items():
        said = each.probabilities.argmax(axis=1)
        row = table.loc[name]
        assert row["top1"] == pytest.approx(accuracy_score(each.truth, said))
        assert row["top5"] == pytest.approx(
            top_k_accuracy_score(each.truth, each.probabilities, k=5, labels=range(len(LABELS)))
        )
        confidence = each.probabilities.max(axis=1)
        ece = 0.0
        for low, high in itertools.pairwise(np.linspace(0, 1, 16)):
            inside = (confidence > low) & (confidence <= high)
            if inside.any():
                gap = (said == each.truth)[inside].mean() - confidence[inside].mean()
                ece += inside.mean() * abs(gap)
        assert row["ece"] == pytest.approx(ece)
        assert row["num_clips"] == 120
        assert row["num_videos"] == 40
        for key in ("top1", "top5", "ece"):
            assert row[f"{key}_low"] <= row[key] <= row[f"{key}_high"] or key == "ece"
    assert table.loc["good", "ms_per_frame"] == 1.0


def test_intervals_are_of_whole_videos(study: Study) -> None:
    """By hand: the mean over videos drawn anew, all clips of each."""
    each = study.evaluations["fair"]
    by_video = pd.DataFrame({"video": each.videos, "right": each.is_right}).groupby("video")
    sums, counts = by_video["right"].sum().to_numpy(), by_video["right"].count().to_numpy()
    rng = np.random.default_rng(9)
    draws = rng.integers(0, len(sums), (20_000, len(sums)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    row = study.table.set_index("model").loc["fair"]
    assert row["top1_low"] == pytest.approx(np.quantile(means, 0.025), abs=0.02)
    assert row["top1_high"] == pytest.approx(np.quantile(means, 0.975), abs=0.02)


def test_differences_are_paired(study: Study) -> None:
    table = study.differences
    assert list(zip(table["a"], table["b"], strict=True)) == [
        ("good", "fair"), ("good", "poor"), ("fair", "poor"),
    ]  # fmt: skip
    for row in table.to_dict("records"):
        a, b = (study.evaluations[row[name]].is_right for name in "ab")
        assert row["difference"] == pytest.approx(a.mean() - b.mean())
        assert (row["only_a"], row["only_b"]) == ((a & ~b).sum(), (b & ~a).sum())
        num, least = int((a ^ b).sum()), int(min((a & ~b).sum(), (b & ~a).sum()))
        binomial = stats.binom(num, 0.5)
        assert row["p"] == pytest.approx(2 * binomial.cdf(least) - binomial.pmf(least))
        assert row["holm_p"] >= row["p"]
    worst = table.iloc[1]
    assert worst["low"] > 0.0
    assert worst["holm_p"] < 0.001
    paired = study.evaluations["good"].is_right.astype(float) - study.evaluations["fair"].is_right
    first = table.iloc[0]
    standard_error = paired.std() / np.sqrt(len(paired))
    assert first["high"] - first["low"] == pytest.approx(2 * 1.96 * standard_error, rel=0.3)


def test_clips_on_which_models_part_come_first(study: Study) -> None:
    table = study.clips
    assert (table["jsd_nats"].diff().dropna() <= 0).all()
    two = Study({name: study.evaluations[name] for name in ("good", "poor")}).clips
    row = two.iloc[0]
    clip = int(row["start_seconds"])
    good, poor = (study.evaluations[name].probabilities[clip] for name in ("good", "poor"))
    assert row["jsd_nats"] == pytest.approx(jensenshannon(good, poor) ** 2, rel=1e-4)
    assert row["predicted_good"] == LABELS[int(good.argmax())]
    assert row["num_right"] == row["correct_good"] + row["correct_poor"]
    assert row["clip"] == clip
    assert sorted(two["clip"]) == list(range(len(two)))


def test_flips_are_the_clips_that_one_alone_gets_right(study: Study) -> None:
    flips = study.flips("good", "fair")
    counts = study.differences.iloc[0]
    assert (~flips["gained"]).sum() == counts["only_a"]
    assert flips["gained"].sum() == counts["only_b"]
    with pytest.raises(OptionError, match="no model 'best'"):
        study.flips("good", "best")


def test_agreement(study: Study) -> None:
    said = {name: each.probabilities.argmax(axis=1) for name, each in study.evaluations.items()}
    assert study.agreement.loc["good", "poor"] == (said["good"] == said["poor"]).mean()
    assert (np.diag(study.agreement) == 1.0).all()


@pytest.mark.parametrize(
    ("accuracy", "cost", "expected"),
    [
        ([0.9, 0.8, 0.7], [3.0, 2.0, 1.0], [True, True, True]),
        ([0.9, 0.8, 0.7], [1.0, 2.0, 3.0], [True, False, False]),
        ([0.9, 0.9, 0.7], [1.0, 1.0, 1.0], [True, True, False]),
        ([0.9, 0.9], [1.0, 2.0], [True, False]),
    ],
)
def test_no_other_beats_what_is_on_the_front(accuracy, cost, expected) -> None:
    assert is_pareto(np.array(accuracy), np.array(cost)).tolist() == expected


def test_the_chart_shows_every_model(study: Study) -> None:
    ax = study.plot()
    legend = ax.get_legend()
    assert legend is not None
    assert {"good", "fair", "poor"} <= {text.get_text() for text in legend.get_texts()}
    assert "ms" in ax.get_xlabel()


@pytest.mark.parametrize(("against", "word"), [("size_mb", "weights"), ("memory_mb", "memory")])
def test_accuracy_can_be_held_against_other_costs(against: str, word: str) -> None:
    costs = {"good": (8.0, 700.0), "fair": (2.0, 90.0)}
    study = Study(
        {
            name: made(
                number,
                cost=Cost(
                    ms_per_frame=1.0, size_mb=size, num_threads=1, runtime="none", memory_mb=memory
                ),
            )
            for number, (name, (size, memory)) in enumerate(costs.items())
        }
    )
    ax = study.plot(against=against)
    assert word in ax.get_xlabel()
    low, high = ax.get_xlim()
    for each in study.table[against]:
        assert low < each < high
    assert study.table["memory_mb"].tolist() == [700.0, 90.0]


def test_a_cost_that_nobody_measured_has_no_chart(study: Study) -> None:
    with pytest.raises(PredictionsError, match="memory_mb of good is not known"):
        study.plot(against="memory_mb")
    with pytest.raises(OptionError, match=r"got 'size'\..*size_mb"):
        study.plot(against="size")
    assert "memory_mb" not in study.table


def test_studies_of_different_clips_are_refused() -> None:
    with pytest.raises(PredictionsError, match="different clips"):
        Study({"a": made(1), "b": made(2, num_clips=60)})
    with pytest.raises(OptionError, match="got none"):
        Study({})


def test_one_video_has_no_interval() -> None:
    table = Study({"a": made(1, num_videos=1), "b": made(2, num_videos=1)}).table
    assert table["top1_low"].isna().all()


# ---- from models to a study ----------------------------------------------------------------------


def test_models_are_shown_the_same_clips() -> None:
    models = {
        "a0": vl.load_model("stickactions-a0-stream", backend="litert", variant="int8"),
        "pictures": vl.load_model("stickactions-pictures", backend="torch"),
    }
    study = vl.evaluate(models, StickActions(range(8_000_000, 8_000_024)), progress=False)
    assert isinstance(study, Study)
    assert study.names == ["a0", "pictures"]
    for name, model in models.items():
        alone = vl.evaluate(model, StickActions(range(8_000_000, 8_000_024)), progress=False)
        np.testing.assert_array_equal(alone.probabilities, study.evaluations[name].probabilities)
    table = study.table.set_index("model")
    assert table.loc["a0", "top1"] > table.loc["pictures", "top1"]
    assert (table["ms_per_frame"] > 0).all()
    assert (table["size_mb"] > 0).all()
    assert (table["stable_seconds"] >= 0).all()


def test_models_of_different_labels_are_refused() -> None:
    models = [ArithmeticModel(name="a"), ArithmeticModel(name="b", num_classes=5)]
    with pytest.raises(PredictionsError, match="different label maps"):
        vl.evaluate(models, StickActions(range(2)), progress=False)
    with pytest.raises(OptionError, match="got none"):
        vl.evaluate([], StickActions(range(2)), progress=False)


def test_answers_on_the_way_are_those_of_predict(tmp_path: Path) -> None:
    model = vl.load_model("stickactions-xs-stream", backend="litert", variant="int8")
    video = vl.sample_videos()["squat"]
    preds = vl.predict(video, model, progress=False)
    folder = tmp_path / "clips" / "squat"
    folder.mkdir(parents=True)
    (folder / "one.mp4").symlink_to(video)
    evaluation = vl.evaluate(model, tmp_path / "clips", progress=False)
    answers = evaluation.answers
    assert answers is not None
    top = preds.top1()
    assert answers["class_id"].tolist() == top["class_id"].tolist()
    np.testing.assert_allclose(answers["probability"], top["probability"], atol=1e-6)
    np.testing.assert_allclose(answers["elapsed_seconds"], top["time_seconds"], atol=0.05)
    decisions = evaluation.decisions().iloc[0]
    ids = top["class_id"].to_numpy()
    last_change = int(np.flatnonzero(np.diff(ids, prepend=-1))[-1])
    assert decisions["stable_seconds"] == pytest.approx(
        answers["elapsed_seconds"][last_change] - answers["elapsed_seconds"][0]
    )
    assert decisions["agreement"] == (ids == ids[-1]).mean()
    seconds = evaluation.by_second()
    assert seconds["num"].sum() == len(preds)
    first = answers[answers["elapsed_seconds"] < 1.0 - 1e-6]
    truth = model.labels.id_of("squat")
    assert seconds["accuracy"][0] == (first["class_id"] == truth).mean()


def test_where_only_the_end_is_known_the_way_is_refused() -> None:
    with pytest.raises(PredictionsError, match="at the clips' ends"):
        made(1).by_second()
