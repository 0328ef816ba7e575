"""Ways for Elman's network to be wrong, and some to be right in another way.

One module, one group of bugs, by the letters of `gradassay_lstm.faults`; a module put into this folder is found. What a
layer with one state has around its cell (A, D, F) can be wrong in a GRU too: that is `shared`.
"""

from __future__ import annotations

import sys

from gradassay._fault import scan

faults = scan(sys.modules[__name__])
shared = tuple(fault for fault in faults if fault.group in ("A", "D", "F"))
benign = scan(sys.modules[__name__], "benign")
