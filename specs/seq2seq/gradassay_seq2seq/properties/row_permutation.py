"""Rows in another order give the same: the LSTM's own property, asked of the whole program."""

from gradassay_lstm.properties.row_permutation import row_permutation as row_permutation
