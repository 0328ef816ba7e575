"""Files that a test had this process load: the next test may have another of that name."""

from __future__ import annotations

import sys
from pathlib import Path


def forget_files() -> None:
    """Forget the modules of decorated files that were loaded here, and the folders that this put on the path."""
    for name in [name for name in sys.modules if name == "fast" or name.startswith("gradassay_file_")]:
        del sys.modules[name]
    sys.path[:] = [folder for folder in sys.path if not (Path(folder) / "fast.py").exists()]
