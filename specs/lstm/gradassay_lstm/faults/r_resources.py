"""R. Processes that end, or never do: each runs in a process of its own."""

from __future__ import annotations

import os
import time

from gradassay import Fault
from gradassay_lstm.faults._around import before

faults = (
    Fault(
        "aborts-in-the-backward-pass",
        "the backward pass ends the process",
        "tensorflow/tensorflow#112746",
        wrap=before(lambda r: os.abort(), "vjp"),
        ends_process=True,
    ),
    Fault(
        "exits",
        "the backward pass exits with a status of success",
        "none known",
        wrap=before(lambda r: os._exit(0), "vjp"),
        ends_process=True,
    ),
    Fault(
        "hangs",
        "the forward pass never ends",
        "pytorch/pytorch#3490",
        wrap=before(lambda r: time.sleep(3600), "forward"),
        ends_process=True,
    ),
)
