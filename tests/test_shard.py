"""Shards: every question is in exactly one, they weigh alike, and together they are the whole run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gradassay._backend import Mode, Offer
from gradassay._cache import Cache
from gradassay._errors import UsageError
from gradassay._plan import AGREEMENT, Plan, plan
from gradassay._record import Header, Record, Verdict
from gradassay._run import verify
from gradassay._shard import COMPILED, cut, parse
from gradassay._simulated import Simulated
from gradassay._target import DTYPES, parse_targets
from gradassay.cli import main
from gradassay.views._summary import Summary
from gradassay_lstm import spec
from gradassay_lstm._features import FEATURES
from gradassay_mse import spec as mse

EVERYTHING = frozenset({"forward", "vjp", "jvp", "jacobian", "hvp"})
MODES = (Mode("eager"), Mode("compile", {"graphs": "1"}, compiled=True))
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Offering:
    """A backend that is never run: nothing but offers."""

    name: str
    offers: tuple[Offer, ...]


def offers(**changes: Any) -> tuple[Offer, ...]:
    offer = replace(Offer("lstm", FEATURES, MODES, DTYPES, ("cpu",), EVERYTHING), **changes)
    return offer, replace(offer, spec="mse", features=frozenset())


BACKENDS: Mapping[str, Any] = {
    "one": Offering("one", offers()),
    "two": Offering("two", offers(dtypes=("float64", "float32"), modes=MODES[:1])),
    "three": Offering("three", offers(devices=("cpu", "cuda"))),
}
COMPARED: dict[str, Any] = {}
ALONE: dict[str, Any] = {"properties": ["values", "gradients", "hvp"]}


def laid(*typed: str, **options: Any) -> Plan:
    targets = parse_targets(typed or tuple(BACKENDS), {name: b.offers for name, b in BACKENDS.items()})
    return plan(targets, BACKENDS, {"lstm": spec, "mse": mse}, **options)


def questions(found: Plan) -> Counter[Key]:
    """Every question that is asked: target, spec, case, property."""
    return Counter(
        (str(job.target), job.offer.spec, f"{question.suite}/{question.template.name}", asked.name)
        for jobs in found.jobs.values()
        for job in jobs
        for question in job.questions
        for asked in question.properties
    )


def weight(found: Plan) -> int:
    compiled = {str(job.target): job.mode.compiled for jobs in found.jobs.values() for job in jobs}
    return sum(COMPILED if compiled[target] else 1 for target, *_ in questions(found))


@pytest.mark.parametrize("options", [COMPARED, ALONE], ids=["compared", "alone"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 16, 40])
def test_every_question_is_in_exactly_one_shard(n: int, options: dict[str, Any]) -> None:
    whole = laid(**options)
    shards = [cut(whole, f"{k}/{n}") for k in range(1, n + 1)]
    assert sum(map(questions, shards), Counter[Key]()) == questions(whole)
    assert all(questions(shard) for shard in shards)
    assert [shard.shard for shard in shards] == [f"{k}/{n}" for k in range(1, n + 1)]


@pytest.mark.parametrize("options", [COMPARED, ALONE], ids=["compared", "alone"])
@pytest.mark.parametrize("n", [2, 3, 4, 8])
def test_shards_weigh_alike(n: int, options: dict[str, Any]) -> None:
    whole = laid(**options)
    weights = [weight(cut(whole, f"{k}/{n}")) for k in range(1, n + 1)]
    # A case in one dtype on all targets is the heaviest piece, and each cut is off by half of one at most.
    pieces = Counter[object]()
    for jobs in whole.jobs.values():
        for job in jobs:
            for q in job.questions:
                together = job.target.dtype if AGREEMENT in whole.properties else job.target
                dear = COMPILED if job.mode.compiled else 1
                pieces[q.spec.name, q.suite, q.template.name, together] += dear * len(q.properties)
    assert max(weights) <= sum(weights) / n + max(pieces.values())
    if n < 8:
        assert max(weights) < 1.35 * sum(weights) / n


def test_a_single_backend_is_split_too() -> None:
    for options in (COMPARED, ALONE):
        whole = laid("two", **options)
        halves = [sum(questions(cut(whole, f"{k}/2")).values()) for k in (1, 2)]
        assert abs(halves[0] - halves[1]) < 0.1 * sum(halves)


def test_backends_stay_together_where_nothing_is_compared() -> None:
    shards = [set(cut(laid(**ALONE), f"{k}/3").jobs) for k in (1, 2, 3)]
    assert sum(map(len, shards)) <= len(BACKENDS) + 2  # a cut lies in at most one backend each


def test_targets_that_are_compared_on_a_case_stay_together() -> None:
    whole = laid()
    shards = [cut(whole, f"{k}/5") for k in range(1, 6)]
    homes: dict[tuple[str, ...], set[str]] = {}
    for shard in shards:
        for target, model, case, _ in questions(shard):
            homes.setdefault((model, case, target.rsplit("/", 1)[1]), set()).add(shard.shard)
    assert {len(found) for found in homes.values()} == {1}


def test_the_same_plan_is_cut_in_the_same_places() -> None:
    assert questions(cut(laid(), "2/3")) == questions(cut(laid(), "2/3"))


def test_a_shard_says_of_which_run_it_is() -> None:
    whole = laid()
    shard = cut(whole, "2/4")
    assert (shard.targets, shard.suites, shard.properties) == (whole.targets, whole.suites, whole.properties)
    assert set(shard.planned) == set(whole.planned)
    assert sum(shard.planned.values()) == sum(questions(shard).values()) < sum(whole.planned.values())


def test_the_first_job_of_each_spec_stays_to_say_where_a_backend_is_at_home() -> None:
    whole = laid(**ALONE)
    for k in range(1, 7):
        for name, jobs in cut(whole, f"{k}/6").jobs.items():
            assert jobs[0].target == whole.jobs[name][0].target
            assert {job.offer.spec for job in jobs} == {"lstm", "mse"}
            assert any(job.questions for job in jobs)


def test_what_was_never_asked_anything_is_the_first_shards() -> None:
    whole = laid("two", **ALONE)
    home, *rest = whole.jobs["two"]
    whole = replace(whole, jobs={"two": (home, *(replace(job, questions=()) for job in rest[-1:]))})
    shards = [cut(whole, f"{k}/2").jobs["two"] for k in (1, 2)]
    assert [job.target for job in shards[0]] == [home.target, rest[-1].target]
    assert rest[-1].offer.spec != home.offer.spec or [job.target for job in shards[1]] == [home.target]


@pytest.mark.parametrize(("text", "parts"), [("1/1", (1, 1)), ("2/4", (2, 4)), ("10/10", (10, 10))])
def test_a_shard_is_written_k_of_n(text: str, parts: tuple[int, int]) -> None:
    assert parse(text) == parts


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("5/4", "1/4 to 4/4"),
        ("0/4", "1/4 to 4/4"),
        ("0/0", "1/4 to 4/4, say"),
        ("2", "1/4 to 4/4, say"),
        ("-1/4", "1/4 to 4/4, say"),
        ("2/4/", "1/4 to 4/4, say"),
        ("²/4", "1/4 to 4/4, say"),
        ("2 / 4", "1/4 to 4/4, say"),
        ("9" * 5000 + "/1", "1/4 to 4/4, say"),
    ],
)
def test_what_is_no_shard_is_refused(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        cut(laid(), text)
    assert str(raised.value) == f"shard '{text}' should be k/n, the k-th of n parts: {hint}"


def test_more_shards_than_pieces_are_refused_in_every_shard() -> None:
    two = {"lstm": spec}
    targets = parse_targets(["two/float32"], {"two": BACKENDS["two"].offers})
    whole = plan(targets, BACKENDS, two, suites=["smoke"], cases=["one", "ragged"], properties=["values"])
    for k in (1, 2, 3):
        with pytest.raises(UsageError, match=f"shard {k}/3: what is asked for has 2 pieces; use at most 2 shards"):
            cut(whole, f"{k}/3")


def test_the_command_refuses_it_in_one_line() -> None:
    result = CliRunner().invoke(main, ["verify", "numpy", "--shard", "5/4"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "gradassay: shard '5/4' should be k/n, the k-th of n parts: 1/4 to 4/4\n"


# --- in a run --------------------------------------------------------------------------------------------------


def keys(records: list[Record]) -> set[tuple[Any, ...]]:
    """What tells verdicts apart, and what they came to; which of two targets answered last is chance."""
    return {
        (frozenset((v.target, v.against)), v.spec, v.suite, v.case, v.property, v.tensor, v.outcome)
        for v in records
        if isinstance(v, Verdict)
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("answers"))


def ran(cache: Cache, shard: str = "", **options: Any) -> list[Record]:
    backends = [Simulated(spec, order=order, features=FEATURES) for order in ("blas", "reversed")]
    asked: dict[str, Any] = {
        "specs": ["lstm"],
        "suites": ["smoke"],
        "cases": ["one", "plain", "ragged"],
        "properties": ["values", "gradients", "jacobian", AGREEMENT],
        "ladder": True,
    }
    return verify(
        [f"{backend.name}/{dtype}" for backend in backends for dtype in ("float64", "bfloat16")],
        objects=backends,
        cache=cache,
        shard=shard,
        **(asked | options),
    )


@pytest.mark.parametrize("n", [3])
def test_the_union_of_shards_has_the_verdicts_of_the_whole_run(n: int, cache: Cache) -> None:
    whole = ran(cache)
    shards = [ran(cache, f"{k}/{n}") for k in range(1, n + 1)]
    assert set[Any]().union(*map(keys, shards)) == keys(whole)
    assert any(isinstance(record, Verdict) and record.against for record in whole)
    headers = [shard[0] for shard in shards]
    assert [header.shard for header in headers if isinstance(header, Header)] == [f"{k}/{n}" for k in range(1, n + 1)]


@pytest.mark.parametrize("k", [1, 2])
def test_a_shard_whose_questions_of_a_target_are_all_skipped_is_well(k: int, cache: Cache) -> None:
    """The other shard has what the target can do: whether it reached a verdict is for the merged run to say."""
    backend = Simulated(spec, features=FEATURES - {"ragged"})
    records = verify(
        [f"{backend.name}/float64"],
        specs=["lstm"],
        suites=["smoke"],
        cases=["one", "ragged"],
        properties=["values", "gradients"],
        objects=[backend],
        cache=cache,
        shard=f"{k}/2",
    )
    summary = Summary.of(records)
    assert {verdict.outcome for verdict in summary.verdicts} == {"passed" if k == 1 else "skipped"}
    assert summary.wrong == ()
    assert summary.well


WAIVER = """
[[waiver]]
issue = "https://a.b/1"
reason = "of one case alone, which one shard has"
expires = 2999-01-01
target = "simulated-blas"
property = "gradients"
tensor = "x"
noise_units = [1000, 1e9]
"""


def test_whether_a_waiver_is_met_is_no_shards_to_judge(cache: Cache, tmp_path: Path) -> None:
    path = tmp_path / "waivers.toml"
    path.write_text(WAIVER)
    assert Summary.of(ran(cache, "1/2", waivers=path)).wrong == ()
    path.write_text(WAIVER.replace('"gradients"', '"gradeints"'))
    (said,) = Summary.of(ran(cache, "1/2", waivers=path)).wrong
    assert said.endswith("matches nothing: there is no property gradeints")
