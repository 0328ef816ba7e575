"""The batch has no order: the LSTM's own property, and the loss is the same."""

from __future__ import annotations

from gradassay_lstm.properties.row_permutation import row_permutation as row_permutation
