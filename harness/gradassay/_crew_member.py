"""One of several processes of a run: `python -m gradassay._crew_member` reads its share, and writes records."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import msgspec

from gradassay._asked import Share
from gradassay._cache import Cache
from gradassay._claims import Claims
from gradassay._record import Record, write
from gradassay._run import in_memory, verify_share
from gradassay._waivers import Waivers
from gradassay._worker import end_with


def main() -> None:
    # The records keep a copy of the pipe: whatever else is printed here goes to stderr.
    records = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    share = msgspec.json.decode(sys.stdin.buffer.read(), type=Share)
    sys.path.extend(path for path in share.path if path not in sys.path)
    asked = share.asked
    cache = in_memory() if asked.cache is None else Cache(Path(asked.cache), asked.cache_bytes)

    def take(record: Record) -> None:
        write(records, record)

    claims = Claims(Path(share.folder), share.number, share.of)
    verify_share(asked, claims, cache, Waivers(asked.waivers), take)


if __name__ == "__main__":
    main()
