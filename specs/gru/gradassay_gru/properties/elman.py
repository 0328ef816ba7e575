"""With the reset gate at 1 and the update gate at 0, a GRU is Elman's network of its candidate's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gradassay._property import Finding, Property
from gradassay_gru._gates import can_be_held, held
from gradassay_gru._tensors import GATES
from gradassay_lstm._relations import named, right, scales_of, truth
from gradassay_lstm._variations import moved, taking

if TYPE_CHECKING:
    from gradassay._case import Case
    from gradassay._oracle import Oracle
    from gradassay._subject import Subject


def _elman(case: Case) -> Case:
    """Return the case of Elman's network that has the candidate's parameters."""
    from gradassay_rnn_tanh import RNN, spec

    own = case.config
    config = RNN(own.input_size, own.hidden_size, own.num_layers, own.bidirectional, own.bias)
    tensors = moved(case, case.tensors, taking(case, {"gate": [GATES.index("n")]}))
    template = replace(case.template, config=config)
    return replace(case, spec=spec, template=template, tensors=tensors, tangents={})


def _check(subject: Subject, case: Case, oracle: Oracle) -> Iterator[Finding]:
    bare = held(case, "gates-held", r=1.0, z=-1.0)
    answer, elman = subject.of(bare).vjp(), _elman(bare)
    candidate = taking(bare, {"gate": [GATES.index("n")]})
    exact = truth(oracle, elman)
    # What Elman's network gives, in the noise of a GRU: its gates are computed, and multiplied by.
    references = {
        name: replace(
            scale, high=exact[name].high, low=exact[name].low, radius=exact[name].radius, zero=exact[name].zero
        )
        for name, scale in scales_of(truth(oracle, bare), bare, candidate).items()
    }
    part = replace(answer, gradients=moved(bare, answer.gradients, candidate))
    yield from named(right(part, references, elman, "r = 1 and z = 0"), "Elman's network")


elman = Property(
    name="elman",
    claim="With a reset gate of 1 and an update gate of 0, it is Elman's network of the candidate's parameters.",
    equation="r = 1, z = 0: f = f_rnn(W_n, U_n, b_n), in either convention, and so are its gradients",
    needs=frozenset({"vjp"}),
    check=_check,
    applies=can_be_held,
    thorough=True,
)
