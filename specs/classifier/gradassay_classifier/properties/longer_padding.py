"""How much padding follows is nothing: the LSTM's own property. A last output that is looked for at T - 1 moves."""

from __future__ import annotations

from gradassay_lstm.properties.longer_padding import longer_padding as longer_padding
