"""Further specs, from torch's own parts: one file, one spec. A file put into this folder is found. Imports no torch."""

from __future__ import annotations

import sys

from gradassay._folder import entries
from gradassay_torch._program import Program

programs = entries(sys.modules[__name__], Program, lambda program: program.spec, "programs are of the spec")
