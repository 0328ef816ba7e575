"""`check`: whether a live layer is right, with its own weights, on the data given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradassay import _plugins
from gradassay._adoption import Adopted, Adopters, described
from gradassay._case import Case
from gradassay._casefile import SavedCase, load
from gradassay._errors import UsageError
from gradassay._given import Known, case_of, refuse_names, to_arrays
from gradassay._live import ANSWERS, OracleOfOne, run
from gradassay._published import difference
from gradassay._record import Record, Verdict
from gradassay._spec import Array, Spec, Tensors
from gradassay._target import DTYPES, numpy_dtype


@dataclass(frozen=True)
class Verdicts:
    """What a check came to. True when all is well; printed, it says what was compared and what is wrong.

    Attributes:
        layer: what was checked, in a few words.
        records: the run's own: a header, verdicts, a footer.
        notes: what was chosen for the caller.
    """

    layer: str
    records: tuple[Record, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(record for record in self.records if isinstance(record, Verdict))

    @property
    def ok(self) -> bool:
        """Whether something was verified, and nothing of it failed or errored."""
        from gradassay.views._summary import Summary

        return Summary.of(self.records).well

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        from gradassay.views.check import text

        return text(self.layer, self.records, self.notes)

    __repr__ = __str__


def check(
    layer: object,
    /,
    *,
    config: Any = None,
    spec: str | None = None,
    dtype: str | None = None,
    cotangents: Mapping[str, object] | None = None,
    wrt: Sequence[str] | None = None,
    properties: Sequence[str] = ANSWERS,
    truth: str | Path | SavedCase | None = None,
    **tensors: object,
) -> Verdicts:
    """Check a live layer against the certified reference, in this process and this thread.

    The exact answer takes seconds for 8 rows of 32 steps, 64 features and 128 units, and in proportion; asked again, it
    is in the cache.

    Args:
        layer: a layer of an installed backend's framework, such as a `torch.nn.LSTM` or a Keras LSTM, with its own
            weights; or a JAX function `f(parameters, inputs) -> outputs` of dicts by canonical names.
        config: for a function, the spec's configuration, such as `gradassay_lstm.LSTM(input_size=3, hidden_size=4)`.
        spec: the spec's name; needed for a function if several specs fit.
        dtype: the dtype that data are rounded to; the parameters' own if not given, and data must then have it.
        cotangents: dL/d(output) by output; one that is not named is not part of the loss. Independent random
            ones for every output, drawn from a hash of the data, if not given.
        wrt: what is differentiated; every input, state and parameter if not given.
        properties: what is asked, by name; "jacobian" asks for every output by every one of `wrt`.
        truth: a published vector about these very data and weights, or its file: truth and noise are taken from it.
        tensors: the data by canonical names, in canonical layout whatever the layer's own is: for an LSTM `x`
            (batch, steps, features), `h0` and `c0` (layers * directions, batch, width). NumPy arrays, or tensors of
            the layer's framework. For a function also its parameters.

    Raises:
        UsageError: if nobody knows the layer, a tensor is missing, unknown, or of another shape or dtype, or the
            published vector is not sound, or about something else.
    """
    request = Request.of(layer, config, spec, dtype, cotangents, wrt, properties, tensors)
    published = published_in(truth)
    adopted = request.adopt()
    case = request.case(adopted)
    oracle = oracle_of(case, published)
    return Verdicts(described(layer), run(case, adopted, properties, oracle), request.notes(case))


def published_in(truth: str | Path | SavedCase | None) -> SavedCase | None:
    """Return the vector that is meant.

    Raises:
        UsageError: if it cannot be read, is not sound, or has no truth.
    """
    if truth is None:
        return None
    saved = truth if isinstance(truth, SavedCase) else load(Path(truth))
    if saved.truth is None:
        said = "this saved case" if isinstance(truth, SavedCase) else str(truth)
        raise UsageError(f"truth: {said} holds no truth; `gradassay publish FILE` computes it and puts it in")
    return saved


def oracle_of(case: Case, published: SavedCase | None) -> OracleOfOne:
    """Return an oracle that knows what was published about a case.

    Raises:
        UsageError: if that is about another one.
    """
    if published is None or published.truth is None:
        return OracleOfOne()
    if apart := difference(case, published.case):
        raise UsageError(f"truth: the published vector is about something else than what is checked: {apart}")
    return OracleOfOne((published.case, published.truth))


@dataclass(frozen=True)
class Request:
    """What a caller wants checked: a layer, and data for it as arrays. The layer is asked what it is now."""

    layer: object
    config: Any
    spec: str | None
    dtype: str | None
    cotangents: Tensors | None
    wrt: Sequence[str] | None
    properties: Sequence[str]
    given: Tensors  # without parameters
    parameters: Mapping[str, object]  # of a function, as they were given
    chosen: Known | None
    adopters: Adopters

    @classmethod
    def of(
        cls,
        layer: object,
        config: Any,
        spec: str | None,
        dtype: str | None,
        cotangents: Mapping[str, object] | None,
        wrt: Sequence[str] | None,
        properties: Sequence[str],
        tensors: Mapping[str, object],
    ) -> Request:
        """Read what was given.

        Raises:
            UsageError: if something is no array, there is no such dtype, or no spec takes the configuration.
        """
        adopters = Adopters.installed()
        given = to_arrays(tensors, adopters.converts)
        chosen = _spec(spec, config, list(given)) if config is not None else None
        names = [name for name in given if chosen and _role(chosen, name) == "parameter"]
        if chosen is not None and names:
            refuse_names(chosen, list(given))
        if dtype is not None and dtype not in DTYPES:
            raise UsageError(f"dtype is {dtype!r}; should be one of {', '.join(DTYPES)}")
        # A function gets its own tensors as they are, since they say which device; only rounding makes new ones.
        parameters = {name: _rounded(given[name], dtype) if dtype else tensors[name] for name in names}
        data = {name: array for name, array in given.items() if name not in names}
        seen = None if cotangents is None else to_arrays(cotangents, adopters.converts)
        return cls(layer, config, spec, dtype, seen, wrt, properties, data, parameters, chosen, adopters)

    def adopt(self) -> Adopted:
        """Return the layer as it is now.

        Raises:
            UsageError: if nobody knows it, or it cannot be taken.
        """
        return self.adopters.adopt(self.layer, self.config, self.parameters)

    def case(self, adopted: Adopted) -> Case:
        """Return the case that the data and the layer's parameters make.

        Raises:
            UsageError: if a tensor is missing, unknown, or of another shape or dtype than it should be.
        """
        known = _agreed(adopted, self.chosen, self.spec, self.config, list(self.parameters))
        return case_of(
            known,
            adopted.config,
            dict(adopted.parameters) | dict(self.given),
            _dtype(adopted, self.layer, self.dtype),
            rounded=self.dtype is not None,
            cotangents=self.cotangents,
            wrt=self.wrt,
            properties=self.properties,
        )

    def notes(self, case: Case) -> tuple[str, ...]:
        """Say what was chosen for the caller."""
        if self.cotangents is not None:
            return ()
        return (f"cotangents: independent random ones for {', '.join(case.outputs)}, from a hash of the data",)


def _spec(name: str | None, config: Any, given: Sequence[str]) -> Known:
    """Return the spec of this configuration that the names of the given tensors fit best."""
    if name is not None:
        found: Spec[Any, Any] = _plugins.find("spec", name).load()
        if not isinstance(config, found.config):
            raise UsageError(f"config is {type(config).__name__}; spec {name} takes {found.config.__name__}")
        return Known.of(found, config)
    specs = _plugins.load_all(_plugins.specs().values())[0]
    fit = [Known.of(spec, config) for spec in specs.values() if isinstance(config, spec.config)]
    if not fit:
        takes = ", ".join(f"{spec.config.__name__} ({name})" for name, spec in specs.items()) or "none is installed"
        raise UsageError(f"config is {type(config).__name__}, which no spec takes; there are {takes}")
    return min(fit, key=lambda known: known.problems(given))


def _role(known: Known, name: str) -> str:
    return known.tensors[name].role if name in known.tensors else ""


def _rounded(array: Array, dtype: str) -> Array:
    return array.astype(numpy_dtype(dtype)) if array.dtype.name in DTYPES else array


def _agreed(adopted: Adopted, chosen: Known | None, spec: str | None, config: Any, names: Sequence[str]) -> Known:
    """Return the spec that is checked; refuse what contradicts the layer."""
    if not adopted.spec:  # a function: it follows what its caller says
        assert chosen is not None  # no backend adopts a function without a configuration
        return chosen
    if spec is not None and spec != adopted.spec:
        raise UsageError(f"spec is {spec!r}, but {adopted.backend.name} takes this layer as {adopted.spec!r}")
    if config is not None and config != adopted.config:
        raise UsageError(f"config is {config}, but the layer is {adopted.config}; leave config out")
    if names:
        raise UsageError(f"{', '.join(names)}: the layer has its own parameters; leave them out")
    return Known.of(_plugins.find("spec", adopted.spec).load(), adopted.config)


def _dtype(adopted: Adopted, layer: object, wanted: str | None) -> str:
    """Return the dtype of the parameters."""
    own = sorted({array.dtype.name for array in adopted.parameters.values()})
    if len(own) != 1 or own[0] not in DTYPES:
        raise UsageError(f"{described(layer)} has parameters in {', '.join(own)}; should be one of {', '.join(DTYPES)}")
    if wanted is not None and wanted != own[0]:
        raise UsageError(f"dtype is {wanted!r}, but {described(layer)} is in {own[0]}: convert the layer itself")
    return own[0]
