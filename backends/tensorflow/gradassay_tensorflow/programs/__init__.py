"""Further specs, from Keras' and TensorFlow's own parts: one file, one spec; a file put here is found.

Imports neither of the two.
"""

from __future__ import annotations

import sys

from gradassay._folder import entries
from gradassay_tensorflow._program import Program

programs = entries(sys.modules[__name__], Program, lambda program: program.spec, "programs are of the spec")
