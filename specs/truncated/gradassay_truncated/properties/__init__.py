"""The properties of truncated back-propagation: one module, one property. A module put into this folder is found."""

from __future__ import annotations

import sys

from gradassay._property import scan

properties = tuple(scan(sys.modules[__name__]).values())
