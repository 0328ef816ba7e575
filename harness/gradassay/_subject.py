"""A model under verification: asks the backend once per distinct request, unless a property demands a fresh call."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import msgspec

from gradassay._backend import Mode, Offer
from gradassay._case import Case
from gradassay._session import Answer, BackendError, Handed, Session
from gradassay._spec import Array, Tensors
from gradassay._target import Target

Tied = tuple[tuple[str, ...], ...]


class DidNotRunError(Exception):
    """An answer came, but not from the mode that was asked for: a silent fall-back verifies nothing."""


@dataclass
class _Shared:
    """What the subjects of one question have in common."""

    session: Session
    models: dict[str, int] = field(default_factory=dict)  # by configuration and parameters
    known: dict[str, Answer] = field(default_factory=dict)  # by model and request
    asked: dict[str, Answer] = field(default_factory=dict)
    open: ExitStack = field(default_factory=ExitStack)
    seconds: float = 0.0


class Subject:
    """One case on one target. Every method raises `BackendError` when there is no answer, and `DidNotRunError`
    when what the model says it `ran` lacks the mode's evidence.

    `fresh` calls again what has been asked already. `handed` says how arrays lie in memory where they are handed
    over: as they are, read-only, every second element of a larger buffer, or with their axes in the other order.
    Calls are `watched` for what they do beside their answer, unless nobody asks for that.
    """

    watched = True

    def __init__(
        self,
        session: Session,
        case: Case,
        target: Target,
        operators: frozenset[str],
        mode: Mode,
        *,
        offer: Offer | None = None,
        tied: Tied = (),
        shared: _Shared | None = None,
    ) -> None:
        self.case, self.target, self.operators, self.mode, self.offer = case, target, operators, mode, offer
        self._tied = tied
        self._own = frozenset(map(id, (*case.tensors.values(), *case.cotangents.values())))
        self._kept: dict[tuple[int, ...], str] = {}  # hashes of groups of these
        self._shared = shared if shared is not None else _Shared(session)

    @property
    def asked(self) -> dict[str, Answer]:
        """Every answer so far, by its request in words; a property that looks at side effects reads it."""
        return self._shared.asked

    @property
    def seconds(self) -> float:
        """Time inside the backend."""
        return self._shared.seconds

    def of(self, case: Case, *, tied: Tied = ()) -> Subject:
        """Return the same target on another case: the same loaded model, if configuration and parameters are the same.

        Args:
            tied: groups of parameters that are handed over as one and the same array.
        """
        shared = self._shared
        return Subject(
            shared.session, case, self.target, self.operators, self.mode, offer=self.offer, tied=tied, shared=shared
        )

    def refusal(self, case: Case, operator: str = "vjp") -> str | None:
        """Say why the target does not offer an operator on another case; None when it does, or nothing is said."""
        if self.offer is None:
            return None
        return self.offer.refusal(operator, self.target.mode, self.target.dtype, case.features)

    def require(self, case: Case, operator: str = "vjp") -> None:
        """Raise `BackendError` of the kind "unsupported" where `refusal` has something to say: that is `skipped`."""
        if reason := self.refusal(case, operator):
            raise BackendError("unsupported", reason)

    def anew(self) -> Subject:
        """Return the same target and case in a process that has just started, and has answered nothing before."""
        session = self._shared.open.enter_context(self._shared.session.anew())
        shared = _Shared(session, asked=self._shared.asked, open=self._shared.open)
        return Subject(
            session,
            self.case,
            self.target,
            self.operators,
            self.mode,
            offer=self.offer,
            tied=self._tied,
            shared=shared,
        )

    def close(self) -> None:
        """Unload every model."""
        shared = self._shared
        with shared.open:
            while shared.models:
                shared.session.unload(shared.models.popitem()[1])

    def forward(self, *, fresh: bool = False, handed: Handed = "plain") -> Answer:
        return self._call("forward", fresh, handed)

    def vjp(
        self,
        *,
        cotangents: Tensors | None = None,
        wrt: Sequence[str] | None = None,
        fresh: bool = False,
        handed: Handed = "plain",
    ) -> Answer:
        """Pull cotangents (the case's, if none are given) back to `wrt` (everything that is differentiable)."""
        along = self.case.cotangents if cotangents is None else cotangents
        return self._call("vjp", fresh, handed, cotangents=along, wrt=self._wrt(wrt))

    def jvp(self, *, tangents: Tensors | None = None, fresh: bool = False) -> Answer:
        """Push tangents (the case's, if none are given) forward."""
        return self._call("jvp", fresh, tangents=self.case.tangents if tangents is None else tangents)

    def jacobian(self, of: str, by: str) -> Array | None:
        return self._call("jacobian", False, of=of, by=by).jacobian

    def hvp(
        self,
        *,
        cotangents: Tensors | None = None,
        tangents: Tensors | None = None,
        wrt: Sequence[str] | None = None,
        fresh: bool = False,
    ) -> Answer:
        """Differentiate the pulled-back cotangents in the direction of the tangents (the case's, if none are given)."""
        along = self.case.cotangents if cotangents is None else cotangents
        direction = self.case.tangents if tangents is None else tangents
        return self._call("hvp", fresh, cotangents=along, tangents=direction, wrt=self._wrt(wrt))

    def _wrt(self, wrt: Sequence[str] | None) -> tuple[str, ...]:
        return self.case.differentiable if wrt is None else tuple(wrt)

    def _model(self) -> int:
        """Load the model of this case's configuration and parameters, if it is not there."""
        case, shared = self.case, self._shared
        name = _told(case.spec.name, repr(case.config), self._digest(case.parameters), repr(self._tied))
        if name not in shared.models:
            config = msgspec.to_builtins(case.config)
            shared.models[name] = shared.session.load(
                case.spec.name, config, case.parameters, self.target, tied=self._tied
            )
        return shared.models[name]

    def _digest(self, named: Tensors) -> str:
        """Return the hash of some tensors; it is kept for those of the case, whose arrays stay as they are."""
        arrays = tuple(map(id, named.values()))
        if not arrays or not self._own.issuperset(arrays):
            return _hashed(named)
        if arrays not in self._kept:
            self._kept[arrays] = _hashed(named)
        return self._kept[arrays]

    def _call(
        self,
        operator: str,
        fresh: bool,
        handed: Handed = "plain",
        *,
        cotangents: Tensors | None = None,
        tangents: Tensors | None = None,
        wrt: Sequence[str] = (),
        of: str = "",
        by: str = "",
    ) -> Answer:
        shared, inputs = self._shared, self.case.inputs
        model = self._model()
        words = (str(model), operator, repr(tuple(wrt)), of, by, handed)
        request = _told(*words, self._digest(inputs), self._digest(cotangents or {}), self._digest(tangents or {}))
        if request in shared.known and not fresh:
            return shared.known[request]
        answer = shared.session.call(
            model,
            operator,
            inputs=inputs,
            cotangents=cotangents,
            tangents=tangents,
            wrt=wrt,
            of=of,
            by=by,
            handed=handed,
            watched=self.watched,
        )
        shared.seconds += answer.seconds
        for name, expected in self.mode.evidence.items():
            if (said := answer.ran.get(name)) != expected:
                raise DidNotRunError(
                    f"mode {self.mode.name} did not run: the evidence should be {name}={expected}, but is "
                    f"{'absent' if said is None else f'{name}={said}'}"
                )
        shared.known[request] = answer
        shared.asked[f"{operator} (call {len(shared.asked) + 1})" if operator in shared.asked else operator] = answer
        return answer


def _told(*words: str) -> str:
    """Return one name for several words, which tells requests of this process apart."""
    return "\x1f".join(words)


def _hashed(named: Tensors) -> str:
    """Return a hash of every byte of some arrays, their names, dtypes and shapes."""
    digest = hashlib.blake2b(digest_size=16)
    for name, array in named.items():
        digest.update(f"{name!r} {array.dtype.name} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
