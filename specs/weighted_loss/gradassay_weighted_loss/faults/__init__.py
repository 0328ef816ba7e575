"""Ways for a weighted loss to be wrong, and some to be right in another way.

One module, one group by its letter; a module put into this folder is found. The mistakes of the LSTM below are in the
LSTM's own catalogue.
"""

from __future__ import annotations

import sys

from gradassay._fault import scan

faults = scan(sys.modules[__name__])
benign = scan(sys.modules[__name__], "benign")
