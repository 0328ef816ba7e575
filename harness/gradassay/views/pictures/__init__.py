"""Pictures of a run, or of several side by side: one module, one picture. A module put into this folder is found."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from gradassay._errors import UsageError
from gradassay.views._summary import Summary
from gradassay.views.pictures._picture import Picture as Picture
from gradassay.views.pictures._picture import Table as Table


def pictures(summaries: Sequence[Summary]) -> list[Picture]:
    """Return every picture of these runs, in the order that each module's `ORDER` gives.

    One that cannot be made of them has an empty `svg`, and words that say why.

    Raises:
        UsageError: if Matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise UsageError("pictures need Matplotlib, which is not installed: pip install 'gradassay[report]'") from error
    with mpl.rc_context():
        mpl.rcdefaults()  # what somebody set up for pictures of their own is no part of ours
        names = sorted(info.name for info in iter_modules(__path__) if not info.name.startswith("_"))
        modules = sorted((import_module(f"{__name__}.{name}") for name in names), key=lambda module: int(module.ORDER))
        return [module.picture(summaries) for module in modules]
