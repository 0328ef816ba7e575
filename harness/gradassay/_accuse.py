"""What an adapter does wrong on a small case, in its own terms: names, shapes, axes, conventions, a gradient cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from gradassay import _decorated
from gradassay._case import Case
from gradassay._judge import judge
from gradassay._oracle import Oracle, Query, Reference
from gradassay._property import Finding
from gradassay._rearranged import axes_of, rearranged, reshaped
from gradassay._session import BackendError
from gradassay._spec import Array
from gradassay._subject import Subject
from gradassay._target import numpy_dtype

FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+), in (?P<where>.+)\n    (?P<code>.+)$', re.MULTILINE)
PATIENCE = 10.0  # seconds for the search of a known mistake
CUT = "it is cut on the way (detached, or passed through another library), or not used at all"
Answers = Mapping[str, Array | None]


@dataclass(frozen=True)
class Accusation:
    """What is wrong, a line each; the tensors that are; and those that are right.

    Where several known mistakes give these very numbers, `alike` are all of them; the first is the line.
    """

    lines: tuple[str, ...]
    tensors: tuple[str, ...]
    right: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()


def accuse(subject: Subject, case: Case, oracle: Oracle) -> Accusation | None:
    """Return what is wrong with a model's answers to a case: its outputs first, then its gradients; None if nothing.

    Raises:
        BackendError: when there is no answer; `raised` puts it into words.
        DidNotRunError: when the mode did not run.
    """
    query = Query("vjp", cotangents=case.cotangents, wrt=case.differentiable)
    answer = subject.forward()
    references = oracle.ask(case, query)
    outputs = _Group(subject, case, oracle, references, "", case.outputs)
    if found := outputs.accuse(answer.outputs):
        return found
    if "vjp" not in subject.operators:
        return None
    answer = subject.vjp()
    # What comes with gradients should be right as well: another path, and often another kernel.
    if found := outputs.accuse(answer.outputs):
        return replace(found, lines=("with gradients wanted, the outputs are others:", *found.lines))
    return _Group(subject, case, oracle, references, "d ", case.differentiable).accuse(answer.gradients)


@dataclass(frozen=True)
class _Group:
    """The outputs, or the gradients, of a case; `prefix` is that of their references."""

    subject: Subject
    case: Case
    oracle: Oracle
    references: Mapping[str, Reference]
    prefix: str
    names: Sequence[str]
    known: list[str] = field(default_factory=list)

    def accuse(self, got: Answers) -> Accusation | None:
        said = dict(self._structure(got))
        if not said:
            said = {name: "" for name in self.names if not self.right(name, got[name])}
            if said:
                said = self._numbers({name: array for name, array in got.items() if array is not None}, tuple(said))
        if not said:
            return None
        lines = tuple(dict.fromkeys(filter(None, said.values())))
        right = [n for n in self.names if n not in said and got.get(n) is not None and self.right(n, got[n])]
        return Accusation(lines, tuple(said), tuple(right), tuple(self.known))

    def words(self, name: str) -> str:
        return f"the gradient of {name}" if self.prefix else name

    def right(self, name: str, array: Array | None) -> bool:
        reference = self.references[self.prefix + name]
        if array is None or array.shape != reference.high.shape:
            return False
        return str(judge(Finding(name, array, reference, (self.case.table[name],)))["outcome"]) != "failed"

    def _structure(self, got: Answers) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with names, dtypes, shapes, and gradients that are not there."""
        listed = ", ".join(self.names)
        missing = [name for name in self.names if name not in got]
        absent = [name for name in self.names if got.get(name) is None]
        if absent == list(self.names) and self.prefix:
            for name in absent:
                yield name, f"no gradient reaches anything: every one is None ({listed}); {CUT}"
            return
        for name in self.names:
            array = got.get(name)
            if name in got and array is None:
                nones = [name for name in absent if name not in missing]
                yield name, f"{', '.join(nones)} {_verb(nones, 'has', 'have')} no gradient (None): {CUT}"
            elif array is None:
                is_, came = _verb(missing, "is", "are"), ", ".join(sorted(got)) or "nothing"
                yield name, f"{', '.join(missing)} {is_} missing: there should be {listed}; what came back is {came}"
            elif array.dtype != numpy_dtype(self.case.dtype):
                yield name, f"{self.words(name)} is {array.dtype}, should be {self.case.dtype}, as what is given"
            elif array.shape != (tensor := self.case.table[name]).shape:
                truth = self.references[self.prefix + name].high
                yield name, reshaped(self.words(name), array, tensor, truth, partial(self.right, name))
        extra = sorted(set(got) - set(self.names))
        if extra and not missing:
            yield extra[0], f"{', '.join(extra)} came back, which nobody asked for: there should be {listed} alone"

    def _numbers(self, got: Mapping[str, Array], wrong: tuple[str, ...]) -> dict[str, str]:
        """Say what is wrong with the numbers of those that are: the simplest mistake that explains them all."""
        table = self.case.table
        for a in wrong:
            for b in wrong:
                if a < b and table[a].shape == table[b].shape and self.right(a, got[b]) and self.right(b, got[a]):
                    exchanged = f"{' and '.join(name for name in self.names if name in (a, b))} are exchanged"
                    return {name: exchanged if name in (a, b) else "" for name in wrong}
        moved = {n: rearranged(self.words(n), got[n], table[n], partial(self.right, n)) for n in wrong}
        if all(moved.values()):
            return moved
        if known := self._explained():
            self.known.extend(known)
            return dict.fromkeys(wrong, known[0])
        return {name: moved[name] or self._place(name, got[name]) for name in wrong}

    def _explained(self) -> list[str]:
        """Return the known mistakes that give these very numbers, as the diagnosis tells them."""
        from gradassay._diagnose import diagnose  # which is imported where something is wrong alone
        from gradassay.properties import properties

        asked = ("values", "gradients") if self.prefix else ("values",)
        every = properties()
        found = diagnose(self.subject, self.case, [every[name] for name in asked], self.oracle, seconds=PATIENCE)
        return [explanation.sentence for explanation in found.explanations]

    def _place(self, name: str, array: Array) -> str:
        """Say where it is furthest off. A gradient that is zero throughout is a finding of its own."""
        tensor = self.case.table[name]
        if self.prefix and not np.any(array):
            return f"{self.words(name)} is exactly 0 everywhere, should not be: {CUT}"
        verdict = judge(Finding(name, array, self.references[self.prefix + name], (tensor,)))
        worst = verdict["worst"]
        where = ", ".join(f"{axis} {at}" for axis, at in worst.where.items())
        off = f"at {where}: got {float(worst.got):.9g}, should be {float(worst.want):.9g}"
        named = f"{self.words(name)} ({', '.join(axes_of(tensor))})"
        return f"{named} is wrong, most {off}; no known mistake gives these numbers"


def _verb(names: Sequence[str], of_one: str, of_several: str) -> str:
    return of_one if len(names) == 1 else of_several


def raised(error: BackendError) -> str:
    """Return an error of a backend in words; where a function raised it, with the function's own line."""
    if error.kind == "unsupported":
        return str(error)
    frames = list(FRAME.finditer(error.traceback))
    callers = [number for number, frame in enumerate(frames) if frame["file"] == _decorated.__file__]
    below = frames[callers[-1] + 1 :] if callers else frames[-1:]
    # The last line of the file that the function is in: what it calls elsewhere says less.
    own = [frame for frame in below if frame["file"] == below[0]["file"]][-1:]
    lines = [f"{Path(f['file']).name}, line {f['line']}, in {f['where']}: {f['code'].strip()}" for f in own]
    return "\n".join([f"{error.kind}: {error}", *lines])
