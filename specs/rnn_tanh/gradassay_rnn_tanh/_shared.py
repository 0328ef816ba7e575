"""What holds of every layer that carries one state: the LSTM's own properties, told of h alone. A GRU has them too."""

from __future__ import annotations

from dataclasses import replace

from gradassay._property import Property
from gradassay_lstm.properties.absent_states import absent_states
from gradassay_lstm.properties.accumulation import accumulation
from gradassay_lstm.properties.causality import causality
from gradassay_lstm.properties.lengths import lengths
from gradassay_lstm.properties.longer_padding import longer_padding
from gradassay_lstm.properties.padding_huge import padding_huge
from gradassay_lstm.properties.padding_nan import padding_nan
from gradassay_lstm.properties.padding_zero import padding_zero
from gradassay_lstm.properties.prefix import prefix
from gradassay_lstm.properties.reversal import reversal
from gradassay_lstm.properties.row_permutation import row_permutation
from gradassay_lstm.properties.rows import rows_ as rows
from gradassay_lstm.properties.split import split
from gradassay_lstm.properties.stack import stack
from gradassay_lstm.properties.tied import tied_ as tied
from gradassay_lstm.properties.unit_permutation import unit_permutation

shared: tuple[Property, ...] = (
    replace(
        absent_states,
        claim="A state that is not given counts as zeros.",
        equation="f(x) = f(x, h0 = 0)",
    ),
    accumulation,
    causality,
    lengths,
    longer_padding,
    padding_huge,
    padding_nan,
    padding_zero,
    prefix,
    reversal,
    row_permutation,
    rows,
    split,
    stack,
    tied,
    replace(unit_permutation, equation="f(P x, P W P') = P f(x, W) for permutations P of units and of features"),
)
