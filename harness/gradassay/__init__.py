"""Gradassay: are the gradients right? Held against a certified reference, in units of rounding noise.

Importing this imports no framework, and no model.
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
    from gradassay._errors import UsageError as UsageError
    from gradassay._fault import Fault as Fault
    from gradassay._ops import Ops as Ops
    from gradassay._ops import Value as Value
    from gradassay._spec import Axis as Axis
    from gradassay._spec import CaseTemplate as CaseTemplate
    from gradassay._spec import Spec as Spec
    from gradassay._spec import Tensor as Tensor
    from gradassay._spec import Tensors as Tensors
    from gradassay._target import Target as Target
    from gradassay._words import Words as Words

__version__ = "0.1.0"
_LAZY = {
    "Adopts": "gradassay._backend",
    "Backend": "gradassay._backend",
    "Gap": "gradassay._backend",
    "Hvp": "gradassay._backend",
    "Jacobian": "gradassay._backend",
    "Jvp": "gradassay._backend",
    "Mode": "gradassay._backend",
    "Model": "gradassay._backend",
    "Offer": "gradassay._backend",
    "Unsupported": "gradassay._backend",
    "UsageError": "gradassay._errors",
    "Fault": "gradassay._fault",
    "Ops": "gradassay._ops",
    "Value": "gradassay._ops",
    "Axis": "gradassay._spec",
    "CaseTemplate": "gradassay._spec",
    "Spec": "gradassay._spec",
    "Tensor": "gradassay._spec",
    "Tensors": "gradassay._spec",
    "Target": "gradassay._target",
    "Words": "gradassay._words",
    "verify": "gradassay._run",
    "check": "gradassay._check",
    "Verdicts": "gradassay._check",
    "Oracle": "gradassay._oracle",
    "Query": "gradassay._oracle",
    "Property": "gradassay._property",
    "Finding": "gradassay._property",
}


def __getattr__(name: str) -> object:
    """Import what computes only when it is asked for: `gradassay --help` should not wait for it."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'gradassay' has no attribute {name!r}")
