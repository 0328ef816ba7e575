"""Ways for a decoder to be wrong, and some to be right in another way; a module put into this folder is found."""

from __future__ import annotations

import sys

from gradassay._fault import scan

faults = scan(sys.modules[__name__])
benign = scan(sys.modules[__name__], "benign")
