"""The GRU's properties: those of every layer with one state, and its own. A module put into this folder is found."""

from __future__ import annotations

import sys

from gradassay._property import Property, scan
from gradassay_rnn_tanh._shared import shared

properties: tuple[Property, ...] = (*shared, *scan(sys.modules[__name__]).values())
