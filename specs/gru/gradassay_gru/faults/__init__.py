"""Ways for a GRU to be wrong, and some to be right in another way: its own, and those of any layer with one state.

One module, one group of bugs, by the letters of `gradassay_lstm.faults`; a module put into this folder is found.
"""

from __future__ import annotations

import sys

from gradassay._fault import scan
from gradassay_rnn_tanh.faults import shared

faults = (*shared, *scan(sys.modules[__name__]))
benign = scan(sys.modules[__name__], "benign")
