from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vidlab as vl
from vidlab.core.errors import LabelMapError

names = st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=30, unique=True)


@given(names)
def test_ids_and_labels_are_inverse(labels: list[str]) -> None:
    label_map = vl.LabelMap(labels)
    assert list(label_map) == labels
    assert [label_map.id_of(label) for label in label_map] == list(range(len(labels)))


@pytest.mark.parametrize(("name", "count"), [("kinetics-400", 400), ("kinetics-600", 600)])
def test_shipped_maps_are_whole(name: str, count: int) -> None:
    label_map = vl.LabelMap.named(name)
    assert len(label_map) == count
    assert "carving ice" in label_map or name == "kinetics-400"
    assert label_map.name == name


def test_shipped_maps_are_the_published_ones(shared_data) -> None:
    for count in (400, 600):
        published = (shared_data / "labels" / f"kinetics{count}_label_map.txt").read_text()
        lines = [line.strip() for line in published.splitlines() if line.strip()]
        assert list(vl.LabelMap.named(f"kinetics-{count}")) == lines


@pytest.mark.parametrize(
    ("labels", "message"),
    [([], "at least one"), (["a", "a"], "'a' appears more than once"), (["a", " "], "non-empty")],
)
def test_bad_maps_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(LabelMapError, match=message):
        vl.LabelMap(labels)


def test_an_unknown_label_gets_the_nearest() -> None:
    with pytest.raises(LabelMapError, match="Did you mean 'carving ice'"):
        vl.LabelMap.named("kinetics-600").id_of("carving icee")


def test_an_unknown_map_gets_the_nearest() -> None:
    with pytest.raises(LabelMapError, match="Did you mean 'kinetics-600'"):
        vl.LabelMap.named("kinetics600")


def test_files_are_read_as_utf8(tmp_path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeff걷기\n뛰기\n\n".encode())
    assert list(vl.LabelMap.from_file(path)) == ["걷기", "뛰기"]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabelMapError, match="Cannot read"):
        vl.LabelMap.from_file(path)
    with pytest.raises(LabelMapError, match="Cannot read"):
        vl.LabelMap.from_file(tmp_path / "absent.txt")
