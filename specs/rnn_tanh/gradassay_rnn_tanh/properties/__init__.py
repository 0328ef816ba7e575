"""The properties of Elman's network: those of every layer with one state, the LSTM's `biases`, and its own.

One module, one property. A module put into this folder is found.
"""

from __future__ import annotations

import sys

from gradassay._property import Property, scan
from gradassay_lstm.properties.biases import biases
from gradassay_rnn_tanh._shared import shared

properties: tuple[Property, ...] = (*shared, biases, *scan(sys.modules[__name__]).values())
