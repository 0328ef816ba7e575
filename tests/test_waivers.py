"""Waivers: a known failure fails no run while it is as expected; anything else about it does."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console
from runs import TARGETS, WORST, failed, footer, header, skipped, verdict

from gradassay import verify
from gradassay._cache import Cache
from gradassay._record import Element, Footer, Verdict
from gradassay._simulated import Simulated
from gradassay._waivers import Scope, WaiverError, Waivers, fits_case, fits_target
from gradassay.cli import main
from gradassay.views import terminal
from gradassay.views.markdown import markdown
from gradassay_lstm import spec
from gradassay_lstm._features import FEATURES

ISSUE = "https://example.org/issues/1"
FIELDS: dict[str, str] = {
    "issue": f'"{ISSUE}"',
    "reason": '"the forget gate of the reverse direction"',
    "expires": "2031-06-30",
    "target": '"torch/float32"',
    "case": '"wide/ragged"',
    "property": '"gradients"',
    "tensor": '"weight_hh_l1_reverse"',
    "noise_units": "[40, 80]",
}
TODAY = date(2030, 1, 2)
SCOPE = Scope(
    targets=(TARGETS[1],),
    offered=tuple(TARGETS),
    cases=("lstm/wide/ragged", "lstm/wide/plain", "lstm/smoke/plain"),
    properties=("values", "gradients", "agreement"),
)
FAILED = failed(case="ragged")


def written(folder: Path, *tables: dict[str, str | None]) -> Path:
    """Write a file of waivers; each table is `FIELDS`, changed (None: without it)."""
    path = folder / "waivers.toml"
    texts = []
    for changes in tables:
        fields = {name: value for name, value in (FIELDS | changes).items() if value is not None}
        texts.append("\n".join(["[[waiver]]", *(f"{name} = {value}" for name, value in fields.items())]))
    path.write_text("\n\n".join(texts) + "\n")
    return path


def known(folder: Path, *tables: dict[str, str | None], **scope: Any) -> Waivers:
    return replace(Waivers.of(written(folder, *(tables or ({},)))), today=TODAY, scope=replace(SCOPE, **scope))


# --- what is waived


def test_a_failure_as_expected_is_waived_and_is_still_a_failure(tmp_path: Path) -> None:
    waivers = known(tmp_path)
    marked = waivers.mark(FAILED)
    assert (marked.outcome, marked.waived) == ("failed", ISSUE)
    assert waivers.unmet([marked]) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"max": 39.9},
        {"max": 80.1},
        {"max": None},
        {"tensor": "bias_hh_l1"},
        {"property": "values"},
        {"case": "plain"},
        {"suite": "smoke"},
        {"target": TARGETS[2]},
        {"outcome": "blind"},
        {"outcome": "passed"},
    ],
    ids=str,
)
def test_any_other_verdict_is_not(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert known(tmp_path).mark(failed(**({"case": "ragged"} | changes))).waived == ""


def test_what_has_no_number_is_expected_by_its_kind_or_its_reason(tmp_path: Path) -> None:
    leak = failed(case="ragged", max=None, worst=Element(**{f: getattr(WORST, f) for f in WORST.__struct_fields__} |
                                                        {"kind": "structural zero", "z": None}))  # fmt: skip
    crash = verdict(case="ragged", tensor="", outcome="errored", reason="crash: the process ended by signal 11")
    zero = {"noise_units": None, "kind": '"structural zero"'}
    ended = {"noise_units": None, "tensor": None, "says": '"signal 11"'}
    assert known(tmp_path, zero).mark(leak).waived == ISSUE
    assert known(tmp_path, zero).mark(FAILED).waived == ""
    assert known(tmp_path, ended).mark(crash).waived == ISSUE
    assert known(tmp_path, ended | {"says": '"signal 9"'}).mark(crash).waived == ""


def test_agreement_is_waived_from_either_side(tmp_path: Path) -> None:
    pair = {"target": TARGETS[0], "against": TARGETS[1], "property": "agreement", "tensor": ""}
    apart = failed(case="ragged", **pair)
    assert known(tmp_path, {"property": '"agreement"'}).mark(apart).waived == ISSUE


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("torch", True),
        ("torch/float32", True),
        ("torch/float32/native", True),
        ("torch/cpu", True),
        ("torch/float64", False),
        ("torc", False),
        ("jax/float32", False),
    ],
)
def test_a_target_is_matched_as_it_is_typed(text: str, fits: bool) -> None:
    assert fits_target(text, "torch/native/cpu/float32") is fits


def test_a_target_that_is_a_file_is_matched_whole() -> None:
    assert fits_target("kernels/fast.py:lstm/float32", "kernels/fast.py:lstm/eager/cpu/float32")
    assert not fits_target("kernels", "kernels/fast.py:lstm/eager/cpu/float32")


@pytest.mark.parametrize("text", ["wide", "ragged", "wide/ragged"])
def test_a_case_is_matched_by_its_suite_its_name_or_both(text: str) -> None:
    assert fits_case(text, "lstm/wide/ragged") and not fits_case(text, "lstm/smoke/plain")


# --- what is not met


def test_a_failure_that_is_gone_is_told(tmp_path: Path) -> None:
    passed = [verdict(case="ragged", tensor="weight_hh_l1_reverse"), verdict(case="ragged"), skipped(case="ragged")]
    (said,) = known(tmp_path, {"case": None}).unmet(passed)
    assert said == f"waiver 1 ({ISSUE}): its failure is gone: 2 verdicts there, 2 passed; remove it"


def test_a_failure_of_another_size_is_different(tmp_path: Path) -> None:
    said = known(tmp_path).unmet([failed(case="ragged", max=120.0)])[0]
    assert said == (
        f"waiver 1 ({ISSUE}): its failure is different: weight_hh_l1_reverse failed at 120 noise units "
        "(torch/native/cpu/float32, wide/ragged); should be weight_hh_l1_reverse at 40.0 to 80.0 noise units"
    )


def test_a_failure_of_another_tensor_is_different(tmp_path: Path) -> None:
    found = [verdict(case="ragged", tensor="weight_hh_l1_reverse"), failed(case="ragged", tensor="x", max=55.0)]
    assert "its failure is different: x failed at 55.0 noise units" in known(tmp_path).unmet(found)[0]


def test_every_part_that_is_listed_must_fail(tmp_path: Path) -> None:
    listed = {"case": '["wide/ragged", "wide/plain"]'}
    marked = known(tmp_path, listed).mark(FAILED)
    right = verdict(case="plain", tensor="weight_hh_l1_reverse")
    (said,) = known(tmp_path, listed).unmet([marked, right])
    assert said.startswith(f"waiver 1 ({ISSUE}), wide/plain: its failure is gone")


def test_one_that_has_expired_waives_nothing_and_is_told(tmp_path: Path) -> None:
    late = replace(known(tmp_path), today=date(2031, 7, 1))
    assert late.mark(FAILED).waived == ""
    assert late.unmet([FAILED]) == (
        f"waiver 1 ({ISSUE}) has expired on 2031-06-30: look again, then renew or remove it",
    )
    assert replace(late, today=date(2031, 6, 30)).mark(FAILED).waived == ISSUE


@pytest.mark.parametrize(
    ("changes", "scope", "said"),
    [
        ({"case": '"wide/raged"'}, {}, "there is no case wide/raged"),
        ({"spec": '"gru"'}, {}, "there is no case wide/ragged of the spec gru"),
        ({"property": '"gradient"'}, {}, "there is no property gradient"),
        (
            {"target": '"torch/onednn/float32"'},
            {"selected": True},
            "no backend of this run offers torch/onednn/float32",
        ),
        ({"target": '"jax"'}, {"every_target": True}, "this run has no target jax"),
        ({"case": '"wide/plain"'}, {}, "gradients is not asked of torch/native/cpu/float32 there"),
    ],
    ids=str,
)
def test_one_that_matches_nothing_is_told(
    tmp_path: Path, changes: dict[str, str | None], scope: dict[str, Any], said: str
) -> None:
    assert known(tmp_path, changes, **scope).unmet([FAILED]) == (f"waiver 1 ({ISSUE}) matches nothing: {said}",)


@pytest.mark.parametrize(
    ("changes", "scope"),
    [
        ({"target": '"jax"'}, {}),  # another run's
        ({"target": '"torch/bfloat16"'}, {}),  # offered, and not named in this run
        ({"case": '"smoke/plain"'}, {"selected": True}),
        ({"case": '"tests/test_mine.py::test_layer"'}, {"selected": True}),
    ],
    ids=str,
)
def test_one_that_this_run_was_not_asked_about_is_not_judged(
    tmp_path: Path, changes: dict[str, str | None], scope: dict[str, Any]
) -> None:
    assert known(tmp_path, changes, **scope).unmet([FAILED]) == ()


def test_one_of_a_device_that_is_not_here_is_not_judged(tmp_path: Path) -> None:
    absent = skipped(case="", suite="", property="", reason="device cuda is not here; there is cpu")
    assert known(tmp_path).unmet([absent]) == ()


# --- the file


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tensor": None}, "tensor is missing; a waiver without it should have `says`"),
        ({"expires": None}, "missing required field `expires`"),
        ({"expires": '"soon"'}, "Invalid RFC3339.* - in `expires`"),
        ({"tesnor": '"x"'}, "unknown field `tesnor`"),
        ({"target": "[]"}, "target is empty"),
        ({"target": '"torch/*"'}, r"target is 'torch/\*'; it should be a name, without signs that shells read"),
        ({"case": '"wide[1]"'}, r"case is 'wide\[1\]'; it should be a name"),
        ({"issue": '"#12"'}, "issue is '#12'; it should be a link"),
        ({"reason": '" "'}, "reason is empty"),
        ({"noise_units": None}, "the size should be one of noise_units, kind and says; found none"),
        ({"kind": '"not finite"'}, "the size should be one of .*; found noise_units and kind"),
        ({"noise_units": None, "kind": '"strange"'}, "Invalid enum value 'strange' - in `kind`"),
        ({"noise_units": "[80, 40]"}, r"noise_units is \[80.0, 40.0\]; it should be \[least, largest\], above 0"),
        ({"noise_units": "[40]"}, "length 2.* - in `noise_units`"),
    ],
    ids=str,
)
def test_a_field_that_is_wrong_is_named(tmp_path: Path, changes: dict[str, str | None], message: str) -> None:
    with pytest.raises(WaiverError, match=rf"waivers.toml, waiver 2: .*{message}"):
        Waivers.of(written(tmp_path, {}, changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("waiver = 3", "has a 'waiver' that is no array of tables"),
        ("[[waivers]]\nissue = 1", r"has 'waivers'; it should hold tables \[\[waiver\]\], and nothing else"),
        ("[[waiver]", "is not TOML"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "waivers.toml").write_text(text)
    with pytest.raises(WaiverError, match=message):
        Waivers.of(tmp_path / "waivers.toml")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(WaiverError, match="cannot read .*none.toml: No such file"):
        Waivers.of(tmp_path / "none.toml")


# --- a run


def rendered(*verdicts: Verdict) -> str:
    held = StringIO()
    terminal.render([header(), *verdicts, footer()], Console(file=held, width=100))
    return held.getvalue()


def test_what_is_waived_is_counted_apart_and_never_hidden(tmp_path: Path) -> None:
    marked = known(tmp_path).mark(FAILED)
    shown = rendered(verdict(), marked)
    assert "Waived: 1 verdict" in shown and f"1  {ISSUE}: torch/native/cpu/float32" in shown
    assert shown.rstrip().splitlines()[-1].startswith("All 1 verdict") is False
    assert "The one verdict passed on 2 targets; 1 waived" not in shown  # one target has both
    assert "; 1 waived; worst" in shown and "What is wrong" not in shown
    told = markdown([header(), verdict(), marked, footer()])
    assert "1 waived" in told and "- 1 verdict waived: https" in told


def faulty() -> Simulated:
    fault = next(fault for fault in spec.faults if fault.name == "dc0-without-forget-factor")
    return Simulated(spec, fault=fault, features=FEATURES)


def run(waivers: Path | None, **changes: Any) -> tuple[list[Verdict], Footer]:
    target = f"{faulty().name}/float32"
    selection = {"suites": ["smoke"], "cases": ["plain"], "properties": ["gradients"], "specs": ["lstm"]}
    cache = Cache()
    cache.directory = None
    records = verify([target], objects=[faulty()], cache=cache, waivers=waivers, **(selection | changes))
    end = records[-1]
    assert isinstance(end, Footer)
    return [record for record in records if isinstance(record, Verdict)], end


def test_a_run_with_a_waiver_is_well_and_one_whose_waiver_is_not_met_is_not(tmp_path: Path) -> None:
    plain, _ = run(None)
    assert {v.tensor for v in plain if v.outcome == "failed"} == {"c0"}
    size = next(v.max for v in plain if v.tensor == "c0")
    assert size is not None
    own: dict[str, str | None] = {
        "target": f'"{faulty().name}"', "case": '"smoke/plain"', "tensor": '"c0"',
        "noise_units": f"[{size / 2}, {size * 2}]",
    }  # fmt: skip
    found, end = run(written(tmp_path, own))
    assert {v.tensor: (v.outcome, v.waived) for v in found}["c0"] == ("failed", ISSUE)
    assert (end.wrong, end.counts["waived"], "failed" in end.counts) == ((), 1, False)
    found, end = run(written(tmp_path, own, own | {"tensor": '"h0"'}))
    assert len(end.wrong) == 1 and "waiver 2" in end.wrong[0] and "its failure is different" in end.wrong[0]


def test_the_command_takes_a_file_and_says_what_is_not_met(tmp_path: Path) -> None:
    path = written(tmp_path, {"target": '"numpy/float64"', "case": '"smoke/plain"', "tensor": '"x"'})
    arguments = ["verify", "numpy/float64", "--suite", "smoke", "--case", "plain", "--property", "gradients"]
    ended = CliRunner().invoke(main, [*arguments, "--spec", "lstm", "--waivers", str(path)])
    assert ended.exit_code == 1, ended.output
    assert f"waiver 1 ({ISSUE}): its failure is gone" in " ".join(ended.output.split())
    path.write_text("[[waiver]]\n")
    ended = CliRunner().invoke(main, [*arguments, "--waivers", str(path)])
    assert ended.exit_code == 2
    assert "waiver 1: Object missing required field" in ended.output
