"""Who is verified: the seam that a backend fills. Static offers first, so that nothing heavy is imported to plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from gradassay._spec import Array, Tensors

if TYPE_CHECKING:
    from gradassay._target import Target

OPERATORS = ("forward", "vjp", "jvp", "jacobian", "hvp")
FORWARD_ONLY = "forward only: gradients are not verified"


class Unsupported(Exception):
    """Raised by a backend for what it cannot do: the verdict is then `skipped`, with this reason."""


@dataclass(frozen=True)
class Mode:
    """An execution mode. `evidence` must be found, key by key, in what the model says it `ran`."""

    name: str
    evidence: Mapping[str, str] = field(default_factory=dict)
    compiled: bool = False  # pays dearly for every new shape: a run takes one case of the pool for each dtype
    sweep: bool = False  # too slow for every run: only when named, or in a sweep
    variant: bool = False  # another mode with a switch turned, such as evaluation: a run takes cases of the pool


@dataclass(frozen=True)
class Gap:
    """Something an offer cannot do, and why. An empty set means 'any'; all that are given must match."""

    reason: str
    operators: frozenset[str] = frozenset()
    modes: frozenset[str] = frozenset()
    dtypes: frozenset[str] = frozenset()
    features: frozenset[str] = frozenset()

    def covers(self, operator: str, mode: str, dtype: str, features: frozenset[str]) -> bool:
        return (
            (not self.operators or operator in self.operators)
            and (not self.modes or mode in self.modes)
            and (not self.dtypes or dtype in self.dtypes)
            and (not self.features or bool(self.features & features))
        )


@dataclass(frozen=True)
class Offer:
    """What a backend can do for one spec: static data, readable without importing the framework."""

    spec: str
    features: frozenset[str] = frozenset()
    modes: tuple[Mode, ...] = (Mode("eager"),)
    dtypes: tuple[str, ...] = ("float64", "float32")
    devices: tuple[str, ...] = ("cpu",)
    operators: frozenset[str] = frozenset({"forward", "vjp"})
    gaps: tuple[Gap, ...] = ()
    promises: frozenset[str] = frozenset()  # beyond the equations; what is promised is verified

    def mode(self, name: str) -> Mode:
        return next(mode for mode in self.modes if mode.name == name)

    def refusal(self, operator: str, mode: str, dtype: str, features: frozenset[str]) -> str | None:
        """Say why a request cannot be made of this offer; None when it can."""
        if missing := sorted(features - self.features):
            return f"does not offer {', '.join(missing)}"
        if operator not in self.operators:
            return f"does not offer {operator}" if "vjp" in self.operators else FORWARD_ONLY
        return next((gap.reason for gap in self.gaps if gap.covers(operator, mode, dtype, features)), None)


class Model(Protocol):
    """A loaded model: NumPy arrays (with `ml_dtypes` for bfloat16) in the spec's canonical layout, both ways.

    `inputs` holds the tensors of role input, state, mask and index that are present; an absent state
    is simply not there. `wrt` may name inputs, states and parameters.
    """

    @property
    def ran(self) -> Mapping[str, str]:
        """Evidence about the latest call: kernel path, graphs captured, device, whether subnormals are flushed."""
        ...

    def forward(self, inputs: Tensors) -> Tensors: ...

    def vjp(
        self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]
    ) -> tuple[Tensors, Mapping[str, Array | None]]:
        """Return (outputs, J' v). A gradient of None means 'no gradient', which is not zero.

        An output that `cotangents` does not name is not part of the loss.
        """
        ...


@runtime_checkable
class Jvp(Protocol):
    def jvp(self, inputs: Tensors, tangents: Tensors) -> tuple[Tensors, Tensors]:
        """Return (outputs, J u), with u zero for what `tangents` does not name (inputs, states, parameters)."""
        ...


@runtime_checkable
class Jacobian(Protocol):
    def jacobian(self, inputs: Tensors, of: str, wrt: str) -> Array:
        """Return d of / d wrt, of shape `of.shape + wrt.shape`."""
        ...


@runtime_checkable
class Vjps(Protocol):
    """Optional: `gradassay.jacobian` asks for it, and goes another way where it is not there or is `Unsupported`.

    A model whose `vjps` is compiled where its `forward` is not may have `primal(inputs)`: as `forward`, compiled too.
    """

    def vjps(self, inputs: Tensors, cotangents: Tensors, wrt: Sequence[str]) -> Mapping[str, Array | None]:
        """Return J' v for K cotangents at once: row k of each answer is `vjp` of row k of the cotangents.

        Cotangents are of shape (K, *output), answers of (K, *wrt). Where nothing depends, zeros do as well as None.
        """
        ...


@runtime_checkable
class Jvps(Protocol):
    """Optional, as `Vjps`. A model may say in `push_cost` how many cotangents one tangent takes the time of."""

    def jvps(self, inputs: Tensors, tangents: Tensors, of: Sequence[str]) -> Tensors:
        """Return J u for K tangents at once, of the outputs `of`: row k is that of `jvp` for row k of the tangents.

        Tangents are of shape (K, *tensor), answers of (K, *output); what `tangents` does not name stays where it is.
        """
        ...


@runtime_checkable
class Hvp(Protocol):
    def hvp(
        self, inputs: Tensors, cotangents: Tensors, tangents: Tensors, wrt: Sequence[str]
    ) -> Mapping[str, Array | None]:
        """Return the derivative of J' v (with respect to `wrt`) in the direction `tangents`."""
        ...


class Backend(Protocol):
    """A plugin of the entry-point group `gradassay.backends`: one object, importable without its framework."""

    @property
    def name(self) -> str: ...

    @property
    def offers(self) -> tuple[Offer, ...]: ...

    def environment(self) -> Mapping[str, str]:
        """Environment variables of the worker, set before the framework is imported."""
        ...

    def devices(self) -> tuple[str, ...]:
        """Devices that are really there, in the worker: a subset of what `offers` names."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Versions of the framework and of what decides its arithmetic, in the worker."""
        ...

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model: ...


@runtime_checkable
class Randomness(Protocol):
    """A backend whose framework has random state of its own, beside Python's and NumPy's."""

    def random_state(self) -> Mapping[str, bytes]:
        """Return the framework's random state by generator: it should be the same before and after a call."""
        ...


@runtime_checkable
class Adopts(Protocol):
    """A backend that takes a live layer of its framework, for `gradassay.check(layer)`.

    It is asked about layers of any framework, and imports its own for none of them: a layer of it has done so.
    """

    def adopt(
        self, layer: object, config: Any = None, parameters: Mapping[str, Any] | None = None
    ) -> tuple[str, Any, Tensors, Model] | None:
        """Return (spec name, config, parameters in canonical layout, model), or None if the layer is not ours.

        A function has no parameters of its own: it is given `config`, and `parameters` by canonical names (NumPy
        arrays or tensors of the framework). Its spec's name is empty: it follows the one that the caller names.

        Raises:
            Unsupported: if the layer is ours, but cannot be taken; the message says what would be right.
        """
        ...

    def to_numpy(self, tensor: object) -> Array | None:
        """Return a tensor of the framework as a NumPy array of its dtype, or None if it is not one."""
        ...
