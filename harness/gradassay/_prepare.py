"""`prepare`: a check for loops. The case and its truth are at hand; the layer is asked afresh each time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gradassay._adoption import Adopted, described
from gradassay._backend import Model
from gradassay._case import Case
from gradassay._casefile import SavedCase
from gradassay._check import Request, Verdicts, oracle_of, published_in
from gradassay._errors import UsageError
from gradassay._given import to_arrays
from gradassay._live import ANSWERS, OracleOfOne, Plain, run
from gradassay._published import question
from gradassay._session import Answer, Handed
from gradassay._spec import Array, Tensors

ALONE = "outputs: those that come with the gradients; gradassay.check asks for them alone too"
TOLD = "outputs and gradients: as the caller computed them"
CHANGED = "the weights have changed: truth and noise are those of the new ones"


def prepare(
    layer: object,
    /,
    *,
    config: Any = None,
    spec: str | None = None,
    dtype: str | None = None,
    cotangents: Mapping[str, object] | None = None,
    wrt: Sequence[str] | None = None,
    truth: str | Path | SavedCase | None = None,
    **tensors: object,
) -> Prepared:
    """Make a check ready to be asked many times: in a loop of tests, while a kernel is written, between training steps.

    What it costs is paid here, once: the case, its truth and its noise. With `ready = prepare(layer, x=x)`, each
    `ready()` takes little more than the layer's own forward and backward; `ready.judge(outputs, gradients)` takes
    what a caller has computed.

    Args:
        layer, config, spec, dtype, cotangents, wrt, truth, tensors: as `gradassay.check` takes them. The data are
            copied.

    Raises:
        UsageError: as `gradassay.check` does; or if the layer has no gradients.
    """
    request = Request.of(layer, config, spec, dtype, cotangents, wrt, ANSWERS, tensors)
    return Prepared(request, published_in(truth))


@dataclass(frozen=True)
class _Ready:
    """What is at hand: a case with the layer that it was made of, and the oracle that knows its truth."""

    case: Case
    adopted: Adopted
    oracle: OracleOfOne


class Prepared:
    """A layer, its data and their truth. Called, it asks the layer for outputs and gradients, and judges them.

    The outputs are those that come with the gradients: the layer is called once, where `check` calls it a second time
    for its outputs alone. Whether the layer still has the weights that the truth is of is looked at each time, bit for
    bit; where it has others, their truth is computed first, and the verdicts say so.

    Attributes:
        inputs: what the layer is given, by canonical names: copies.
        cotangents: dL/d(output) by output: copies. Whoever computes gradients himself pulls these back.
    """

    def __init__(self, request: Request, published: SavedCase | None = None) -> None:
        self._request = request
        self._lock = threading.Lock()
        self._ready = self._derived(request.adopt(), published)

    @property
    def inputs(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self._ready.case.inputs.items()}

    @property
    def cotangents(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self._ready.case.cotangents.items()}

    def __call__(self) -> Verdicts:
        """Ask the layer, and judge its answer.

        Raises:
            UsageError: if the layer can no longer be taken as it is, being in training mode with dropout, say.
        """
        ready, notes = self._now()
        return self._judged(ready, ready.adopted.model, (*notes, ALONE))

    def judge(self, outputs: Mapping[str, object], gradients: Mapping[str, object]) -> Verdicts:
        """Judge what the caller has computed of `inputs` and `cotangents` with the weights that the layer has now.

        Args:
            outputs: every output by its canonical name, in canonical layout.
            gradients: of everything that is differentiated, likewise; None is "no gradient", which is not zero.

        Raises:
            UsageError: if something is no array, or a name is not the spec's.
        """
        ready, notes = self._now()
        converts = self._request.adopters.converts
        found = to_arrays(outputs, converts)
        pulled = to_arrays({name: array for name, array in gradients.items() if array is not None}, converts)
        for what, names, known in (
            ("output", found, ready.case.outputs),
            ("gradient", gradients, ready.case.differentiable),
        ):
            if strange := [name for name in names if name not in known]:
                raise UsageError(f"{what} {strange[0]} was not asked for; there are {', '.join(known)}")
        told = _Told(found, {name: pulled.get(name) for name in gradients})
        return self._judged(ready, told, (*notes, TOLD))

    def _now(self) -> tuple[_Ready, tuple[str, ...]]:
        """Return what is known of the layer as it is now: its weights may be others than they were."""
        with self._lock:
            adopted = self._request.adopt()
            before = self._ready.adopted
            if (adopted.spec, adopted.config) == (before.spec, before.config) and _as_before(adopted, before):
                self._ready = replace(self._ready, adopted=replace(before, model=adopted.model))
                return self._ready, ()
            self._ready = self._derived(adopted)
            return self._ready, (CHANGED,)

    def _derived(self, adopted: Adopted, published: SavedCase | None = None) -> _Ready:
        """Make the case of a layer with the weights that it has now, and know its truth."""
        if not hasattr(adopted.model, "vjp"):
            raise UsageError(f"{described(self._request.layer)} has no gradients; use gradassay.check for its values")
        # What is compared with must not share the layer's memory: an update in place would go unseen.
        held = {name: array.copy() for name, array in adopted.parameters.items()}
        case = self._request.case(adopted)
        oracle = oracle_of(case, published)
        oracle.ask(case, question(case))
        return _Ready(case, replace(adopted, parameters=held), oracle)

    def _judged(self, ready: _Ready, model: Model, notes: Sequence[str]) -> Verdicts:
        adopted = replace(ready.adopted, model=model)
        records = run(ready.case, adopted, ANSWERS, ready.oracle, Once)
        return Verdicts(described(self._request.layer), records, (*self._request.notes(ready.case), *notes))


def _as_before(now: Adopted, before: Adopted) -> bool:
    return now.parameters.keys() == before.parameters.keys() and before.holds(now.parameters)


class Once(Plain):
    """Asks for gradients alone: the outputs are those that come with them."""

    def forward(self, *, fresh: bool = False, handed: Handed = "plain") -> Answer:
        return self.vjp(fresh=fresh, handed=handed)


@dataclass(frozen=True)
class _Told:
    """A model whose answer is there already."""

    outputs: Tensors
    gradients: Mapping[str, Array | None]
    ran: Mapping[str, str] = field(default_factory=dict)

    def forward(self, inputs: Tensors) -> Tensors:
        return self.outputs

    def vjp(
        self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]
    ) -> tuple[Tensors, Mapping[str, Array | None]]:
        return self.outputs, {name: self.gradients[name] for name in wrt if name in self.gradients}
