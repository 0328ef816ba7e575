"""A shard is one of n parts of a run, for n machines: the same plan is always cut in the same places."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from gradassay._errors import UsageError
from gradassay._plan import AGREEMENT, Job, Plan, Question

COMPILED = 20  # a question takes as long as so many others, where a mode compiles

Place = tuple[str, int, int]  # backend, number of the job, number of the question


@dataclass
class _Piece:
    """Questions that stay together, and how long they take beside others."""

    backends: list[int] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    weight: int = 0


def cut(laid: Plan, shard: str) -> Plan:
    """Return a part of a plan: `cut(laid, "2/4")` is the second of four.

    Every question is in exactly one part, and the parts take about as long as each other. What targets answer to one
    case in one dtype is compared, so these questions stay together where agreement is asked. Where nothing is compared
    those of one target and case stay together, and backends as far as the balance allows.

    Raises:
        UsageError: if it is not k/n with k from 1 to n, or the plan has fewer than n pieces.
    """
    k, n = parse(shard)
    found = _pieces(laid)
    if n > len(found):
        raise UsageError(f"shard {k}/{n}: what is asked for has {len(found)} pieces; use at most {len(found)} shards")
    first, last = _cuts([one.weight for one in found], n)[k - 1 : k + 1]
    kept = {place for one in found[first:last] for place in one.places}
    jobs = {name: _jobs(name, own, kept, k == 1) for name, own in laid.jobs.items()}
    return replace(laid, jobs={name: own for name, own in jobs.items() if own}, shard=f"{k}/{n}")


def piece(laid: Plan, job: Job, question: Question) -> tuple[str, str, str, str]:
    """Return what a question is of that cannot be cut: spec, suite, case, and the dtype or the target."""
    apart = job.target.dtype if AGREEMENT in laid.properties else str(job.target)
    return question.spec.name, question.suite, question.template.name, apart


def pieces(laid: Plan) -> int:
    """Count what cannot be cut: more parts than these there cannot be."""
    return len(_pieces(laid))


def parse(shard: str) -> tuple[int, int]:
    """Return (2, 4) of "2/4".

    Raises:
        UsageError: if it is anything else than k/n with k from 1 to n.
    """
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", shard)
    k, n = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= k <= n:
        hint = f"1/{n} to {n}/{n}" if n else "1/4 to 4/4, say"
        raise UsageError(f"shard '{shard}' should be k/n, the k-th of n parts: {hint}")
    return k, n


def _pieces(laid: Plan) -> list[_Piece]:
    """Return what cannot be cut, in the order of the plan; what the same backends answer stands together."""
    found: dict[object, _Piece] = {}
    for i, (name, jobs) in enumerate(laid.jobs.items()):
        for j, job in enumerate(jobs):
            for q, question in enumerate(job.questions):
                of = found.setdefault(piece(laid, job, question), _Piece())
                of.places.append((name, j, q))
                of.weight += _weight(job, question)
                if i not in of.backends:
                    of.backends.append(i)
    return sorted(found.values(), key=lambda one: one.backends)


def _weight(job: Job, question: Question) -> int:
    return len(question.properties) * (COMPILED if job.mode.compiled else 1)


def _cuts(weights: Sequence[int], n: int) -> list[int]:
    """Return where each of n parts begins, and the end: each cut lies as near to its share as pieces allow."""
    sums = [0, *accumulate(weights)]
    cuts = [0]
    for k in range(1, n):
        ideal = sums[-1] * k / n
        cut = bisect_left(sums, ideal)
        if ideal - sums[cut - 1] < sums[cut] - ideal:
            cut -= 1
        cuts.append(min(max(cut, cuts[-1] + 1), len(weights) - n + k))  # no part is empty
    return [*cuts, len(weights)]


def _jobs(name: str, jobs: Sequence[Job], kept: set[Place], first: bool) -> tuple[Job, ...]:
    """Return the jobs of a backend with the questions that are kept.

    The first of each spec stays without questions too, if any other does: it says where the backend is at home, and
    on what it climbs its ladder. Jobs that never had a question are the first part's.
    """
    found: list[Job] = []
    homes: set[str] = set()
    for j, job in enumerate(jobs):
        own = tuple(question for q, question in enumerate(job.questions) if (name, j, q) in kept)
        home = job.offer.spec not in homes
        homes.add(job.offer.spec)
        if own or home or (first and not job.questions):
            found.append(replace(job, questions=own))
    asked = any(job.questions for job in found)
    idle = first and any(not job.questions for job in jobs)
    return tuple(found) if asked or idle else ()
