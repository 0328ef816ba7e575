"""What is differentiated is the caller's to choose: frozen weights or frozen inputs change no other gradient."""

from __future__ import annotations

from collections.abc import Iterator

from gradassay._case import Case
from gradassay._oracle import Oracle, Query
from gradassay._property import Finding, Property, compare, compare_again
from gradassay._spec import DIFFERENTIABLE
from gradassay._stacked import stacked
from gradassay._subject import Subject


def groups(case: Case, compiled: bool = False) -> dict[str, tuple[str, ...]]:
    """Return what is differentiated, in words and by name: parts of all, none of them empty, no two the same.

    Inputs alone and parameters alone; inputs and states with frozen parameters; each state without the others; and one
    parameter, another one for each seed. A mode that compiles makes a graph of each: there, the first two.
    """
    by_role = {
        role: tuple(name for name in case.differentiable if case.table[name].role == role)
        for role in ("input", "state", "parameter")
    }
    inputs, states, parameters = by_role.values()
    asked = {"inputs alone": inputs, "parameters alone": parameters}
    if not compiled:
        asked["inputs and states"] = inputs + states
        asked |= {f"{name} alone": (name,) for name in states}
        if parameters:
            one = parameters[case.template.seed % len(parameters)]
            asked[f"{one} alone"] = (one,)
    distinct = {names: words for words, names in reversed(asked.items())}
    return {
        words: names
        for words, names in asked.items()
        if names and names != case.differentiable and distinct[names] == words
    }


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    # A gradient is the same whatever else is asked for: one question of the oracle serves every group.
    truth = oracle.ask(case, Query("vjp", cotangents=case.cotangents, wrt=case.differentiable))
    known = {name: array for name, array in subject.forward().outputs.items() if name in case.outputs}
    found: dict[str, list[Finding]] = {}
    for words, names in groups(case, subject.mode.compiled).items():
        answer = subject.vjp(wrt=names)
        found[words] = list(compare(answer.gradients, truth, names, case, prefix="d "))
        if extra := sorted(set(answer.gradients) - set(names)):
            fault = f"{', '.join(extra)} came back, though nobody asked; should be {', '.join(names)} alone"
            found[words].append(Finding("gradients", fault=fault))
        found[words] += compare_again(answer.outputs, known, truth, case, "vjp")
    yield from stacked(found, "by", "way of")


wrt = Property(
    name="wrt",
    claim="A gradient is right whatever else is differentiated, and what comes back is exactly what was asked for.",
    equation="d_A (v'f) = (d (v'f))_A for parts A of inputs, states and parameters",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=lambda case: sum(tensor.role in DIFFERENTIABLE for tensor in case.table.values()) > 1,
    thorough=True,
    compiles=True,
)
