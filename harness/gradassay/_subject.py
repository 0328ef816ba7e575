"""A model under verification: asks the backend once per distinct request, unless a property demands a fresh call."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gradassay._backend import Mode
from gradassay._case import Case
from gradassay._session import Answer, Session
from gradassay._spec import Array, Tensors
from gradassay._target import Target


class DidNotRunError(Exception):
    """An answer came, but not from the mode that was asked for: a silent fall-back verifies nothing."""


class Subject:
    """One case on one target. Every method raises `BackendError` when there is no answer, and `DidNotRunError`
    when what the model says it `ran` lacks the mode's evidence.

    Attributes:
        asked: every answer so far, by its request in words; a property that looks at side effects reads it.
        seconds: time inside the backend.
    """

    def __init__(self, session: Session, case: Case, target: Target, operators: frozenset[str], mode: Mode) -> None:
        self.case, self.target, self.operators, self.mode = case, target, operators, mode
        self.asked: dict[str, Answer] = {}
        self.seconds = 0.0
        self._session = session
        self._model: int | None = None
        self._known: dict[tuple[str, ...], Answer] = {}

    def close(self) -> None:
        if self._model is not None:
            self._session.unload(self._model)
            self._model = None

    def _call(
        self,
        words: tuple[str, ...],
        fresh: bool,
        *,
        inputs: Tensors | None = None,
        cotangents: Tensors | None = None,
        tangents: Tensors | None = None,
        wrt: Sequence[str] = (),
        of: str = "",
        by: str = "",
    ) -> Answer:
        if words in self._known and not fresh:
            return self._known[words]
        if self._model is None:
            case = self.case
            config = msgspec.to_builtins(case.config)
            self._model = self._session.load(case.spec.name, config, case.parameters, self.target)
        answer = self._session.call(
            self._model,
            words[0],
            inputs=self.case.inputs if inputs is None else inputs,
            cotangents=cotangents,
            tangents=tangents,
            wrt=wrt,
            of=of,
            by=by,
        )
        self.seconds += answer.seconds
        for key, expected in self.mode.evidence.items():
            if (said := answer.ran.get(key)) != expected:
                raise DidNotRunError(
                    f"mode {self.mode.name} did not run: the evidence should be {key}={expected}, but is "
                    f"{'absent' if said is None else f'{key}={said}'}"
                )
        if inputs is None:
            self._known[words] = answer
        self.asked[" ".join(words) + (f" (call {len(self.asked) + 1})" if fresh else "")] = answer
        return answer

    def forward(self, fresh: bool = False) -> Answer:
        return self._call(("forward",), fresh)

    def vjp(self, fresh: bool = False) -> Answer:
        """Pull the case's cotangents back to everything that is differentiable."""
        return self._call(("vjp",), fresh, cotangents=self.case.cotangents, wrt=self.case.differentiable)

    def vjp_of(self, case: Case) -> Answer:
        """The same, on the same model, for another case's inputs and cotangents (of another shape, say)."""
        return self._call(
            ("vjp", "of another call"), True, inputs=case.inputs, cotangents=case.cotangents, wrt=case.differentiable
        )

    def jvp(self) -> Answer:
        """Push the case's tangents forward."""
        return self._call(("jvp",), False, tangents=self.case.tangents)

    def jacobian(self, of: str, by: str) -> Array | None:
        return self._call(("jacobian", of, by), False, of=of, by=by).jacobian

    def hvp(self) -> Answer:
        """Differentiate the pulled-back cotangents in the direction of the tangents."""
        case = self.case
        return self._call(("hvp",), False, cotangents=case.cotangents, tangents=case.tangents, wrt=case.differentiable)
