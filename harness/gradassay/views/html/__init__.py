"""Runs as one HTML file that anybody can open: the answer, a matrix, every verdict, pictures. It needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gradassay._errors import UsageError
from gradassay.views.html._page import Run as Run
from gradassay.views.html._page import page

if TYPE_CHECKING:
    from gradassay.views.pictures import Picture

NEEDED = ("jinja2", "matplotlib")  # of the extra `report`


def html(runs: Sequence[Run], pictures: Sequence[Picture] | None = None) -> str:
    """Return a report of one run or several, the first of which the others are held against.

    Args:
        pictures: those to show; when they are not given, all there are.

    Raises:
        UsageError: if the extra `report` is not installed, or there is no run.
    """
    check_installed()
    if pictures is None:
        from gradassay.views.pictures import pictures as drawn

        pictures = drawn([run.summary for run in runs])
    return page(runs, pictures)


def check_installed() -> None:
    """Refuse before any work.

    Raises:
        UsageError: if the extra `report` is not installed.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise UsageError(f"a report needs {' and '.join(missing)}: pip install 'gradassay[report]'")
