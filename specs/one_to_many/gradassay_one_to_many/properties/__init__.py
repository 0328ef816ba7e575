"""What is true of a sequence that is made of one vector: one module, one property. A module put here is found."""

from __future__ import annotations

import sys

from gradassay._property import scan

properties = tuple(scan(sys.modules[__name__]).values())
