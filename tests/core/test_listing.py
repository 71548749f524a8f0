"""Tables of texts as a notebook shows them."""

from __future__ import annotations

import vidlab as vl
from vidlab.core.listing import Listing


def test_texts_are_shown_whole_and_safely() -> None:
    long = "a sentence of more than fifty letters, as descriptions tend to be, <b>unformatted</b>"
    table = Listing({"name": ["one", "two"], "about": [long, None], "share": [12.345678, None]})
    page = table.head(1)._repr_html_()
    assert "&lt;b&gt;unformatted&lt;/b&gt;" in page
    assert "tend to be" in page
    assert "12.35<" in page
    assert "None" not in table._repr_html_()
    assert "NaN" not in table._repr_html_()


def test_lists_of_recipes_and_models_are_such_tables() -> None:
    recipes = vl.list_recipes()
    assert all(name in recipes._repr_html_() for name in recipes["recipe"])
    assert "ResNet 3D-18" in vl.list_models()._repr_html_()
