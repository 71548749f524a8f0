"""Names of labels in other languages: all there, well formed, and nothing else is touched."""

from __future__ import annotations

import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vidlab as vl
from vidlab.core.errors import OptionError
from vidlab.core.label_names import LANGUAGES, check_language, is_translated, names, translated

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
    korean = vl.LabelMap(names(label_map, "ko"))  # refuses blank and repeated ones
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
    assert names(vl.LabelMap(["welding", "mine", "archery"]), "ko") == [
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
        pairs = zip(label_map, names(label_map, "ko"), strict=True)
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
        lambda: names(vl.LabelMap(["archery"]), language),
    ):
        with pytest.raises(OptionError, match=f"in 'en' or 'ko'; got {language!r}"):
            ask()


def test_a_near_language_is_suggested() -> None:
    with pytest.raises(OptionError, match="Did you mean 'ko'"):
        check_language("ko-KR")
