"""Which of several processes answers a question: whoever comes first takes it, and what belongs to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from gradassay._plan import Job, Plan, Question
from gradassay._shard import piece


@dataclass
class Claims:
    """The pieces of a plan, taken one by one by the processes that share a folder: none waits while another has many.

    Attributes:
        folder: of this run alone; a claim is a file in it, which only one process can make.
        number: this process, from 1.
        of: how many there are.
    """

    folder: Path
    number: int
    of: int
    _mine: dict[str, bool] = field(default_factory=dict)

    def take(self, plan: Plan, job: Job, question: Question) -> bool:
        """Whether a question is this process' to answer: no other has taken the piece that it is of."""
        name = repr(piece(plan, job, question))
        if name not in self._mine:
            self._mine[name] = self._first(sha256(name.encode()).hexdigest())
        return self._mine[name]

    def _first(self, name: str) -> bool:
        try:
            os.close(os.open(self.folder / name, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True
