"""A right model that is wrong in one way: methods are replaced, and one property is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradassay._cache import Cache
from gradassay._fault import Fault
from gradassay._record import Footer, Verdict, encode
from gradassay._run import verify
from gradassay._simulated import Simulated
from gradassay._spec import Spec
from gradassay_lstm import spec as lstm
from gradassay_lstm._features import FEATURES


class Wrapped:
    """A right model, but for the methods that are replaced; each replacement is given the right model first."""

    def __init__(self, model: Any, does: Mapping[str, Callable[..., Any]], ran: Mapping[str, str] | None) -> None:
        self._model, self._ran = model, ran
        for name, function in does.items():
            setattr(self, name, lambda *args, f=function: f(model, *args))

    @property
    def ran(self) -> Mapping[str, str]:
        return self._model.ran if self._ran is None else self._ran

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def broken(
    does: Mapping[str, Callable[..., Any]],
    ran: Mapping[str, str] | None = None,
    spec: Spec[Any, Any] = lstm,
    **options: Any,
) -> Simulated:
    def wrap(dtype: str, model: Any) -> Any:
        return Wrapped(model, does, ran)

    fault = Fault("model", "it is wrong in one way", "none known", (), wrap=wrap)
    return Simulated(spec, fault, features=FEATURES, **options)


def ask(
    store: Cache,
    properties: Sequence[str],
    does: Mapping[str, Any],
    dtype: str = "float32",
    case: str = "plain",
    ran: Mapping[str, str] | None = None,
    backend: Any = None,
) -> list[Verdict]:
    """Ask properties of one case of a wrong model; return the verdicts, whose run went on to its end."""
    records = verify(
        [f"faulty-model/{dtype}"],
        specs=["lstm"],
        suites=["smoke"],
        cases=[case],
        properties=properties,
        objects=[broken(does, ran) if backend is None else backend],
        cache=store,
        diagnose=False,
    )
    assert isinstance(records[-1], Footer) and records[-1].complete
    assert all(encode(record) for record in records)
    return [record for record in records if isinstance(record, Verdict)]


def failures(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Return the reasons of what failed, by tensor."""
    return {verdict.tensor: verdict.reason for verdict in verdicts if verdict.outcome == "failed"}
