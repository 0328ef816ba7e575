"""Ways for windows to be wrong, and some to be right in another way. A module put into this folder is found."""

from __future__ import annotations

import sys

from gradassay._fault import scan

faults = scan(sys.modules[__name__])
benign = scan(sys.modules[__name__], "benign")
