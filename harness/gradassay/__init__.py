"""Gradassay: are the gradients right? Held against a certified reference, in units of rounding noise.

Importing this imports no framework, no model and no NumPy: each name comes with the module that it is asked of.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradassay._backend import Adopts as Adopts
    from gradassay._backend import Backend as Backend
    from gradassay._backend import Gap as Gap
    from gradassay._backend import Hvp as Hvp
    from gradassay._backend import Jacobian as Jacobian
    from gradassay._backend import Jvp as Jvp
    from gradassay._backend import Mode as Mode
    from gradassay._backend import Model as Model
    from gradassay._backend import Offer as Offer
    from gradassay._backend import Unsupported as Unsupported
    from gradassay._case import Case as Case
    from gradassay._check import Verdicts as Verdicts
    from gradassay._check import check as check
    from gradassay._errors import UsageError as UsageError
    from gradassay._evaluate import Query as Query
    from gradassay._fault import Fault as Fault
    from gradassay._ops import Ops as Ops
    from gradassay._ops import Value as Value
    from gradassay._oracle import Oracle as Oracle
    from gradassay._prepare import Prepared as Prepared
    from gradassay._prepare import prepare as prepare
    from gradassay._property import Finding as Finding
    from gradassay._property import Property as Property
    from gradassay._run import verify as verify
    from gradassay._spec import Axis as Axis
    from gradassay._spec import CaseTemplate as CaseTemplate
    from gradassay._spec import Spec as Spec
    from gradassay._spec import Tensor as Tensor
    from gradassay._spec import Tensors as Tensors
    from gradassay._structure import Structure as Structure
    from gradassay._subject import Subject as Subject
    from gradassay._target import Target as Target
    from gradassay._words import Words as Words
    from gradassay.jacobians import jacobian as jacobian
    from gradassay.jacobians import jacobian_plan as jacobian_plan
    from gradassay.jacobians import state_jacobians as state_jacobians

__version__ = "0.1.0"

_MODULES = {
    "_backend": "Adopts Backend Gap Hvp Jacobian Jvp Mode Model Offer Unsupported",
    "_case": "Case",
    "_check": "Verdicts check",
    "_errors": "UsageError",
    "_evaluate": "Query",
    "_fault": "Fault",
    "_ops": "Ops Value",
    "_oracle": "Oracle",
    "_prepare": "Prepared prepare",
    "_property": "Finding Property",
    "_run": "verify",
    "_spec": "Axis CaseTemplate Spec Tensor Tensors",
    "_structure": "Structure",
    "_subject": "Subject",
    "_target": "Target",
    "_words": "Words",
    "jacobians": "jacobian jacobian_plan state_jacobians",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import what is asked for, and not before: `gradassay --help` should not wait for it."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"gradassay.{_HOME[name]}"), name)
    raise AttributeError(f"module 'gradassay' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
