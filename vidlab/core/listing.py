"""Tables of texts that are read in a notebook."""

from __future__ import annotations

import pandas as pd

# Addresses may be broken anywhere, so that they leave room for the sentences beside them.
_STYLE = """<style>
.vl-listing td, .vl-listing th {text-align: left !important; vertical-align: top !important}
.vl-listing td {min-width: 6em; max-width: 30em; overflow-wrap: anywhere; white-space: normal}
.vl-listing td:first-child {white-space: nowrap}
</style>"""


class Listing(pd.DataFrame):
    """A DataFrame that a notebook shows with its texts whole, and to the left."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return Listing

    def _repr_html_(self) -> str:
        whole = ("display.max_colwidth", None, "display.max_rows", 200, "display.max_columns", None)
        with pd.option_context(*whole):
            table = self.to_html(
                na_rep="", index=False, border=0, float_format="{:.4g}".format, notebook=True
            )
        return f"<div class='vl-listing' style='overflow-x:auto'>{_STYLE}{table}</div>"
