"""Names of labels in other languages: all there, well formed, and nothing else is touched."""

from __future__ import annotations

import re
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.core.label_names import (
    LANGUAGES,
    check_language,
    is_translated,
    translate_labels,
    translated,
)

TRANSLATED_MAPS = ("kinetics-400", "kinetics-600", "stick-actions")
LINES = (resources.files("vidlab.core") / "label_names_ko.tsv").read_bytes().decode().splitlines()
ROWS = [line.split("\t") for line in LINES]
SHIPPED = {label for name in TRANSLATED_MAPS for label in vl.LabelMap.named(name)}


def without_remark(text: str) -> str:
    return re.sub(r" \(.*\)", "", text)


@pytest.mark.parametrize("name", TRANSLATED_MAPS)
def test_every_class_has_a_korean_name_of_its_own(name: str) -> None:
    label_map = vl.LabelMap.named(name)
    assert [label for label in label_map if not is_translated(label, "ko")] == []
    korean = vl.LabelMap(translate_labels(label_map))  # refuses blank and repeated ones
    assert len(korean) == len(label_map)


def test_the_file_is_sorted_and_names_nothing_but_shipped_labels() -> None:
    assert {len(row) for row in ROWS} == {2}
    english = [row[0] for row in ROWS]
    assert english == sorted(set(english))
    assert set(english) == SHIPPED


def test_korean_names_are_well_formed() -> None:
    # Hangul alone, not even brands in Latin letters: a verb as a noun, perhaps with a remark.
    form = re.compile(r"([가-힣]+ )*[가-힣]*기( \([가-힣]+( [가-힣]+)*\))?")
    assert [korean for _, korean in ROWS if not form.fullmatch(korean)] == []
    # What has room on a timeline.
    assert [korean for _, korean in ROWS if len(re.findall("[가-힣]", korean)) > 14] == []


def test_the_two_kinetics_call_the_same_thing_by_the_same_name() -> None:
    bridge = vl.LabelBridge("kinetics-400", "kinetics-600")
    differing = {
        label: to
        for label, to in bridge.counterparts.items()
        if without_remark(translated(label, "ko")) != without_remark(translated(to, "ko"))
    }
    assert differing == {}


@pytest.mark.parametrize(
    ("label", "korean"),
    [
        ("carving ice", "얼음 조각하기"),
        ("washing hands", "손 씻기"),
        ("playing didgeridoo", "디제리두 연주하기"),
        ("shooting goal (soccer)", "슛하기 (축구)"),
        ("walking left", "왼쪽으로 걷기"),
        ("walking right", "오른쪽으로 걷기"),
    ],
)
def test_names_are_those_of_their_labels(label: str, korean: str) -> None:
    assert translated(label, "ko") == korean


def test_names_are_in_the_order_of_class_ids() -> None:
    assert translate_labels(vl.LabelMap(["welding", "mine", "archery"])) == [
        "용접하기",
        "mine",
        "활쏘기",
    ]


@given(st.text())
def test_what_has_no_name_passes_unharmed_and_is_told(text: str) -> None:
    assert translated(text, "ko") == text or text in SHIPPED
    assert is_translated(text, "ko") == (text in SHIPPED)


@pytest.mark.parametrize(
    "label", ["<b>archery</b>", "archery ", "Archery", "활쏘기", "unmapped", ""]
)
def test_near_misses_are_labels_of_their_own(label: str) -> None:
    assert translated(label, "ko") == label
    assert not is_translated(label, "ko")


@pytest.mark.parametrize("language", ["en", None])
@given(label=st.sampled_from(sorted(SHIPPED)) | st.text())
def test_english_is_the_label_itself(language: str | None, label: str) -> None:
    assert translated(label, language) == label
    assert is_translated(label, language)


def test_imagenet_is_in_english_but_for_two_words_of_kinetics() -> None:
    for label_map in (vl.LabelMap.named("imagenet-1k"), vl.LabelMap.named("imagenet-1001")):
        pairs = zip(label_map, translate_labels(label_map), strict=True)
        assert [label for label, name in pairs if name != label] == ["punching bag", "vault"]


def test_languages() -> None:
    assert [check_language(language) for language in LANGUAGES] == ["en", "ko"]
    assert check_language(None) == "en"


@pytest.mark.parametrize("language", ["fr", "KO", "", 3])
def test_unknown_languages_are_refused(language) -> None:
    for ask in (
        lambda: check_language(language),
        lambda: translated("archery", language),
        lambda: is_translated("archery", language),
        lambda: translate_labels(vl.LabelMap(["archery"]), labels=language),
        lambda: translate_labels([], labels=language),
        lambda: translate_labels(pd.DataFrame({"n": [1]}), labels=language),
    ):
        with pytest.raises(OptionError, match=f"in 'en' or 'ko'; got {language!r}"):
            ask()


def test_a_near_language_is_suggested() -> None:
    with pytest.raises(OptionError, match="Did you mean 'ko'"):
        check_language("ko-KR")


# ---- tables and lists ------------------------------------------------------------------------

WORDS = st.sampled_from(sorted(SHIPPED)) | st.text()

#: Columns that have labels in them, and columns that have not.
WITH_LABELS = st.sampled_from(["label", "predicted", "truth"]) | st.builds(
    str.__add__, st.sampled_from(["label_", "predicted_"]), st.text()
)
WITHOUT = st.sampled_from(["labels", "Label", "true label", "model", "video", "label-map", "", 0])


def by_definition(value: object) -> object:
    return translated(value, "ko") if isinstance(value, str) else value


@given(label=WORDS, several=st.lists(WORDS))
def test_one_label_and_several_are_as_each_of_them(label: str, several: list[str]) -> None:
    assert translate_labels(label) == translated(label, "ko")
    expected = [translated(each, "ko") for each in several]
    for given_as in (several, tuple(several)):
        assert translate_labels(given_as) == expected


@given(
    st.dictionaries(
        WITH_LABELS | WITHOUT, st.lists(WORDS | st.none() | st.floats(0, 1), min_size=4, max_size=4)
    )
)
def test_columns_of_labels_are_translated_and_nothing_else(columns: dict[object, list]) -> None:
    table = pd.DataFrame(columns, index=[3, 1, 4, 1], dtype=object)
    before = table.copy(deep=True)
    told = translate_labels(table)
    pd.testing.assert_frame_equal(table, before)
    assert told.columns.equals(table.columns)
    assert told.index.equals(table.index)
    for name, cells in columns.items():
        holds = str(name).startswith(("label_", "predicted_")) or name in WITH_LABELS_EXACTLY
        expected = [by_definition(each) if holds else each for each in cells]
        for one, other in zip(told[name], expected, strict=True):
            assert one == other or (pd.isna(one) and pd.isna(other))
    for language in ("en", None):
        as_it_was = translate_labels(table, labels=language)
        assert as_it_was is not table
        pd.testing.assert_frame_equal(as_it_was, table)


WITH_LABELS_EXACTLY = ("label", "predicted", "truth")


def test_types_and_other_columns_stay() -> None:
    table = pd.DataFrame(
        {
            "label": pd.Series(["archery", "mine", None], dtype="str"),
            "truth": pd.Categorical(["archery", "mine", "archery"]),
            "class_id": np.arange(3),
            "probability": np.array([0.1, 0.2, 0.3], dtype=np.float32),
        }
    )
    told = translate_labels(table)
    assert told["label"].tolist()[:2] == ["활쏘기", "mine"]
    assert told["truth"].tolist() == ["활쏘기", "mine", "활쏘기"]
    assert told.dtypes.astype(str).tolist() == table.dtypes.astype(str).tolist()
    for part in (told, translate_labels(table.iloc[:0])):
        assert part.columns.tolist() == table.columns.tolist()
        pd.testing.assert_frame_equal(
            part[["class_id", "probability"]], table[["class_id", "probability"]].loc[part.index]
        )


def test_columns_of_one_name_are_each_translated() -> None:
    table = pd.DataFrame([["archery", "welding"]], columns=["label", "label"])
    assert translate_labels(table).iloc[0].tolist() == ["활쏘기", "용접하기"]


def test_rows_and_columns_that_are_labels_have_their_names() -> None:
    axis = ["archery", "mine"]
    confusion = pd.DataFrame(
        [[3, 1], [0, 2]],
        index=pd.Index(axis, name="label"),
        columns=pd.Index(axis, name="predicted"),
    )
    told = translate_labels(confusion)
    assert told.index.tolist() == told.columns.tolist() == ["활쏘기", "mine"]
    assert (told.index.name, told.columns.name) == ("label", "predicted")
    np.testing.assert_array_equal(told, confusion)
    assert confusion.index.tolist() == axis
    several = confusion.stack().rename("num").to_frame()
    assert translate_labels(several).index.tolist() == [
        ("활쏘기", "활쏘기"), ("활쏘기", "mine"), ("mine", "활쏘기"), ("mine", "mine")
    ]  # fmt: skip
    assert translate_labels(several).index.names == ["label", "predicted"]
    # Two labels with one name stay two rows.
    same = pd.DataFrame(
        {"num": [1, 2]}, index=pd.Index(["tying tie", "tying necktie"], name="label")
    )
    assert translate_labels(same)["num"].tolist() == [1, 2]
    unnamed = pd.DataFrame({"num": [1]}, index=["archery"])
    pd.testing.assert_frame_equal(translate_labels(unnamed), unnamed)


@pytest.mark.parametrize("what", [3, None, [1, 2], {"archery": 1}, pd.Series(["archery"]), b"ab"])
def test_what_holds_no_labels_is_refused(what) -> None:
    with pytest.raises(OptionError, match=f"can be translated; got {type(what).__name__}"):
        translate_labels(what)


def test_a_column_is_translated_as_the_refusal_says() -> None:
    told = pd.DataFrame({"label": ["archery", "mine"]})["label"].map(vl.translate_labels)
    assert told.tolist() == ["활쏘기", "mine"]
