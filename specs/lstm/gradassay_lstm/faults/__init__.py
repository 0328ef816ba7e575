"""Ways for an LSTM to be wrong, and some to be right in another way.

One module, one group of public bugs, by its letter; a module put into this folder is found. Layers count from 0, as in
the names of tensors and in reports.
"""

from __future__ import annotations

import sys

from gradassay._fault import scan

faults = scan(sys.modules[__name__])
benign = scan(sys.modules[__name__], "benign")
