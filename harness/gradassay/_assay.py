"""What the fixture `assay` gives a test: `gradassay.check`, with the session's report and waivers."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from gradassay._check import Verdicts, check
from gradassay._errors import UsageError
from gradassay._pytest import MARKER, session_of
from gradassay._record import Header, Record, Verdict

ARGUMENTS = ("config", "spec", "dtype", "cotangents", "wrt", "properties")  # that a marker may give


class Assay:
    """Called with a layer and data, as `gradassay.check` is; what is not right fails the test."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._node: pytest.Item = request.node
        self._session = session_of(request.config)

    def __call__(self, layer: object, /, **arguments: Any) -> Verdicts:
        """Check a layer, with the arguments of the test's marker and these, which win.

        Returns:
            What `gradassay.check` returns, when all is well.
        """
        __tracebackhide__ = True
        try:
            checked = check(layer, **(self._marked() | arguments))
        except UsageError as error:
            pytest.fail(f"assay: {error}", pytrace=False)
        found = replace(checked, records=tuple(self._own(record) for record in checked.records))
        self._session.record(self._node, found.verdicts)
        for record in found.records:
            if isinstance(record, Header):
                self._session.versions |= record.versions
        if not found.ok:
            pytest.fail(str(found), pytrace=False)
        waived = [verdict for verdict in found.verdicts if verdict.waived]
        if waived:
            reasons = {w.why for v in waived if (w := self._session.waivers.waiver(v)) is not None}
            pytest.xfail("; ".join(sorted(reasons)))
            pytest.fail(str(found), pytrace=False)  # with --runxfail, the line above does nothing
        return found

    def _marked(self) -> dict[str, Any]:
        """The arguments of the markers around the test, the nearest winning."""
        given: dict[str, Any] = {}
        for marker in reversed(list(self._node.iter_markers(MARKER))):
            unknown = sorted(marker.kwargs.keys() - set(ARGUMENTS))
            if marker.args or unknown:
                what = f"has no argument {unknown[0]!r}" if unknown else "takes no positional argument"
                raise UsageError(f"the marker {MARKER} {what}; there are {', '.join(ARGUMENTS)}")
            given |= marker.kwargs
        return given

    def _own(self, record: Record) -> Record:
        """Name the test in a verdict, and what asks it again."""
        if not isinstance(record, Verdict):
            return record
        test = self._node.nodeid
        named = msgspec.structs.replace(record, case=test, replay=f"pytest {shlex.quote(test)}")
        return self._session.waivers.mark(named)
