"""The search for worst cases: it finds and shrinks a planted fault, and a record falls to a worse case alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import runs
from click.testing import CliRunner, Result

from gradassay import UsageError, _hunt, _search
from gradassay._backend import Backend, Mode, Model, Offer
from gradassay._case import Case, build
from gradassay._casefile import load, save
from gradassay._hunt import Began, Event, Hunted, hunt
from gradassay._plugins import PluginError
from gradassay._simulated import Simulated
from gradassay._spec import Tensors
from gradassay._target import Target
from gradassay._worst import Moved, Records, Worst, file_name, kind_of, share
from gradassay.cli import main
from gradassay.views.hunt import lines
from gradassay_lstm import LSTM, Call, spec
from gradassay_lstm._features import FEATURES
from gradassay_numpy import faulty_backend, numpy_backend

PLAIN = next(template for template in spec.suites()["smoke"] if template.name == "plain")
TARGET = "numpy/eager/cpu/float64"


def search(tmp_path: Path, backend: Backend, **options: Any) -> tuple[Hunted, list[Event]]:
    told: list[Event] = []
    asked: dict[str, Any] = {"seconds": 30, "seed": 1, "properties": ["gradients"]} | options
    (found,) = hunt(
        f"{backend.name}/float64", folder=tmp_path, objects=[backend], tell=lambda _, event: told.append(event), **asked
    )
    return found, told


# --- what is wrong is found -----------------------------------------------------------------------------------


def test_a_mean_over_the_batch_is_found_shrunk_and_kept(tmp_path: Path) -> None:
    fault = next(fault for fault in spec.faults if fault.name == "mean-for-sum")
    found, told = search(tmp_path, Simulated(spec, fault, features=FEATURES))
    wrong = found.wrong
    assert wrong is not None and wrong in told
    assert wrong.case.config == LSTM(input_size=1, hidden_size=1)
    assert (wrong.case.call.batch, wrong.case.call.steps) == (2, 1)
    assert {verdict.outcome for verdict in wrong.verdicts} == {"failed"}
    saved = load(wrong.path)
    assert wrong.path.name.startswith("failed-gradients-")
    assert (saved.target, saved.properties) == ("faulty-mean-for-sum/rounded/cpu/float64", ("gradients",))
    assert (saved.case.config, saved.case.call) == (wrong.case.config, wrong.case.call)
    assert "noise units" in saved.note["reason"] or "are beyond" in saved.note["reason"]


def test_a_reverse_direction_that_stays_reversed_is_found(tmp_path: Path) -> None:
    found, _ = search(tmp_path, faulty_backend("reverse-dx-not-reversed-back"))
    assert found.wrong is not None
    config, call = found.wrong.case.config, found.wrong.case.call
    assert (config.bidirectional, config.hidden_size, call.batch, call.steps) == (True, 1, 1, 2)


@dataclass
class Moody:
    """NumPy's backend, but for what `spoil` does before each model is loaded; `loads` counts them."""

    spoil: Callable[[Any, int], None]
    loads: int = 0
    name: str = "moody"
    offers: tuple[Offer, ...] = (Offer("lstm", FEATURES, (Mode("eager"),), ("float64",)),)

    def environment(self) -> Mapping[str, str]:
        return {}

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def versions(self) -> Mapping[str, str]:
        return {}

    def load(self, spec: str, config: Any, parameters: Tensors, target: Target) -> Model:
        self.loads += 1
        self.spoil(config, self.loads)
        return numpy_backend.load(spec, config, parameters, target)


def test_what_raises_is_found_too(tmp_path: Path) -> None:
    def spoil(config: Any, loads: int) -> None:
        if config.hidden_size > 2:
            raise RuntimeError("no kernel of this width")

    found, _ = search(tmp_path, Moody(spoil))
    assert found.wrong is not None and found.wrong.case.config.hidden_size == 3
    (verdict,) = found.wrong.verdicts
    assert verdict.outcome == "errored" and "no kernel of this width" in verdict.reason
    assert load(found.wrong.path).note["outcome"] == "errored"


def test_a_backend_that_fails_once_is_kept_as_it_was_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case that is right when it is asked again is asked but once: Hypothesis must not be confused."""

    def spoil(config: Any, loads: int) -> None:
        if loads == 2:
            raise RuntimeError("a cosmic ray")

    monkeypatch.setattr(_search, "SHRINKING", 0.5)
    found, _ = search(tmp_path, Moody(spoil), seconds=5.0)
    assert found.wrong is not None and "a cosmic ray" in found.wrong.verdicts[0].reason


def test_a_failing_case_is_kept_when_there_is_no_time_to_shrink_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_search, "SHRINKING", 0.0)
    found, _ = search(tmp_path, faulty_backend("reverse-dx-not-reversed-back"), seconds=1e-3)
    while found.wrong is None:  # the first cases may be right
        found, _ = search(tmp_path, faulty_backend("reverse-dx-not-reversed-back"), seconds=2.0)
    assert found.wrong.path.exists()


# --- what is right has records --------------------------------------------------------------------------------


def test_the_worst_of_each_property_and_kind_is_kept_and_a_later_search_goes_on(tmp_path: Path) -> None:
    asked = {"seconds": 3.0, "properties": ["values", "gradients"]}
    first, told = search(tmp_path, numpy_backend, **asked)
    assert first.wrong is None and first.found and first.cases > 3
    kinds = {"x", "h0", "c0", "weight_ih", "weight_hh", "bias_ih", "bias_hh"}
    have = first.records.worst
    assert {("values", "y"), ("values", "h_n"), ("values", "c_n")} <= set(have)
    assert {("gradients", kind) for kind in kinds} <= set(have)
    assert {kind for name, kind in have if name == "gradients"} <= kinds | {"weight_hr"}
    for (name, kind), one in have.items():
        saved = load(one.path)
        assert one.path == tmp_path / "numpy-eager-cpu-float64" / f"{name}-{kind}.safetensors"
        assert (saved.target, saved.properties, saved.note["kind"]) == (TARGET, (name,), kind)
        assert 0.0 <= one.share < 1.0 and float(saved.note["share"]) == one.share
    began = told[0]
    assert isinstance(began, Began) and began.known == 0
    moved = [event for event in told if isinstance(event, Moved)]
    assert {(event.now.property, event.now.kind): event.now for event in moved} == have
    assert all(event.before is None or event.before.share < event.now.share for event in moved)

    before = {key: one.share for key, one in have.items()}
    second, told = search(tmp_path, numpy_backend, **asked, seed=2)
    assert isinstance(told[0], Began) and told[0].known == len(before)
    assert all(second.records.worst[key].share >= before[key] for key in before)


def test_it_climbs_for_each_property_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    climbed: list[tuple[str, float]] = []
    monkeypatch.setattr(_search, "ROUND", 4)
    monkeypatch.setattr(_search, "climb", lambda of_limit, label: climbed.append((label, of_limit)))
    found, _ = search(tmp_path, numpy_backend, seconds=4.0, properties=["values", "gradients"])
    labels = [label.partition(" ")[0] for label, _ in climbed]
    assert set(labels) == {"values", "gradients"} and labels[0] == "values"
    highest = max(height for label, height in climbed if label == "values y")
    assert (
        0.0 < highest <= found.records.worst["values", "y"].share
    )  # what it met while it climbed for gradients counts too


def test_a_backend_in_a_process_of_its_own_serves_many_cases(tmp_path: Path) -> None:
    (found,) = hunt(TARGET, seconds=4.0, folder=tmp_path, seed=0)
    assert found.wrong is None and found.cases > 2
    assert {name for name, _ in found.records.worst} == {"values", "gradients", "jvp", "hvp"}


def test_targets_share_the_time_and_have_a_folder_each(tmp_path: Path) -> None:
    told: list[Event] = []
    found = hunt(
        "numpy", seconds=2.0, folder=tmp_path, seed=0, properties=["values"], tell=lambda _, event: told.append(event)
    )
    assert [one.target for one in found] == [TARGET, "numpy/eager/cpu/float32"]
    assert [event.seconds for event in told if isinstance(event, Began)] == [1.0, 1.0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["numpy-eager-cpu-float32", "numpy-eager-cpu-float64"]


def test_an_interrupted_search_keeps_what_it_found(tmp_path: Path) -> None:
    def stop(_: float, event: Event) -> None:
        if isinstance(event, Moved):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hunt("numpy/float64", seconds=30, folder=tmp_path, seed=0, objects=[numpy_backend], tell=stop)
    records = Records(tmp_path / "numpy-eager-cpu-float64", TARGET)
    assert len(records.worst) == 1


# --- records --------------------------------------------------------------------------------------------------


def case_of(seed: int = 1) -> Case:
    return build(spec, "hunt", PLAIN, "float64")


def test_a_record_is_replaced_by_a_worse_one_alone(tmp_path: Path) -> None:
    records, case = Records(tmp_path, TARGET), case_of()
    first = records.take(case, runs.verdict(tensor="weight_hh_l0", max=7.1, limit_max=14.2, rms=0.4))
    assert first is not None and first.before is None and first.now.share == 0.5
    assert first.now.figures == "max 7.1 of 14.2, RMS 0.4 of 4.0"
    before = first.now.path.read_bytes()
    assert records.take(case, runs.verdict(tensor="weight_hh_l0", max=7.1, limit_max=14.2, rms=0.4)) is None
    assert records.take(case, runs.verdict(tensor="weight_hh_l0", max=7.0, limit_max=14.2, rms=0.4)) is None
    assert first.now.path.read_bytes() == before

    again = Records(tmp_path, TARGET)
    assert again.worst == records.worst
    assert again.take(case, runs.verdict(tensor="weight_hh_l0", max=7.0, limit_max=14.2, rms=0.4)) is None
    worse = again.take(case, runs.verdict(tensor="weight_hh_l0", max=1.0, limit_max=14.2, rms=3.0))
    assert worse is not None and worse.before == first.now and worse.now.share == 0.75
    assert worse.now.path == first.now.path and worse.now.path.read_bytes() != before
    other = again.take(case, runs.verdict(tensor="x", max=1.42, limit_max=14.2, rms=None, limit_rms=None))
    assert other is not None and other.before is None and other.now.share == pytest.approx(0.1)


def test_what_measured_nothing_is_no_record(tmp_path: Path) -> None:
    records = Records(tmp_path, TARGET)
    assert records.take(case_of(), runs.verdict(max=None, rms=None)) is None
    assert share(runs.verdict(max=None, rms=None)) is None
    assert not records.worst and not list(tmp_path.iterdir())


def test_a_failure_is_no_record(tmp_path: Path) -> None:
    records = Records(tmp_path, TARGET)
    path = records.fail(case_of(), runs.failed(tensor="weight_hh_l0"))
    assert path.name == "failed-gradients-weight_hh.safetensors"
    assert not Records(tmp_path, TARGET).worst


def test_kinds_of_tensors() -> None:
    table = {t.name: t for t in spec.tensors(LSTM(2, 3, num_layers=2, bidirectional=True), Call(2, 3))}
    assert kind_of("weight_hh_l1_reverse", table) == kind_of("weight_hh_l0", table) == "weight_hh"
    assert [kind_of(name, table) for name in ("x", "h0", "c_n", "y")] == ["x", "h0", "c_n", "y"]
    assert kind_of("bias_ih_l0_reverse of another shape", table) == "bias_ih of another shape"
    assert kind_of("d y / d weight_ih_l0", table) == "d y / d weight_ih"
    assert file_name("adjoint", "<v, J u>") == "adjoint-v-J-u"
    assert file_name(*["jax", "jit", "cpu:1", "float32"]) == "jax-jit-cpu-1-float32"


# --- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "options", "message"),
    [
        ("numpy/float64", {"properties": ["gradient"]}, "there is no property `gradient`: .* did you mean `gradients`"),
        ("numpy/float64", {"spec": "lstn"}, "there is no spec `lstn`: .*did you mean `lstm`"),
        (
            "numpy/float64",
            {"spec": "mse"},
            r"mse cannot draw cases \(Spec.strategy\), so that there is nothing to search",
        ),
        ("numpy/float8", {}, "'float8' is no mode, device or dtype of numpy"),
    ],
)
def test_what_does_not_exist_is_refused(tmp_path: Path, typed: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        hunt(typed, seconds=1.0, folder=tmp_path, seed=0, objects=[numpy_backend], **options)
    assert not list(tmp_path.iterdir())


def test_a_backend_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="nunpy"):
        hunt("nunpy/float64", seconds=1.0, folder=tmp_path, seed=0)


def test_a_property_that_the_target_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    backend = Moody(lambda config, loads: None)
    with pytest.raises(UsageError, match="hvp cannot be asked of moody/eager/cpu/float64: does not offer hvp"):
        search(tmp_path, backend, properties=["hvp"])


def test_a_device_that_is_not_here_is_refused(tmp_path: Path) -> None:
    offer = Offer("lstm", FEATURES, (Mode("eager"),), ("float64",), ("cuda",))
    backend = Moody(lambda config, loads: None, offers=(offer,))
    with pytest.raises(UsageError, match="device cuda is not here; there is cpu"):
        search(tmp_path, backend)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "numpy-eager-cpu-float64"
    place.write_text("a file")
    with pytest.raises(UsageError, match="is a file; it should be a folder"):
        Records(place, TARGET)
    folder = tmp_path / "other"
    save(folder / "a.safetensors", case_of(), target="torch/native/cpu/float64", properties=("values",))
    with pytest.raises(UsageError, match=r"a.safetensors is a record of torch/native/cpu/float64; it should be one of"):
        Records(folder, TARGET)
    save(folder / "a.safetensors", case_of(), target=TARGET, properties=("values",), note={"kind": "y"})
    with pytest.raises(UsageError, match=r"a.safetensors is a saved case, but no record of a hunt; move it elsewhere"):
        Records(folder, TARGET)


# --- the command ----------------------------------------------------------------------------------------------


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env={"COLUMNS": "80", "TERM": "dumb"})


def test_the_command_says_what_moved_and_fits_80_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("hunt", "numpy/float64", "--minutes", "0.03", "--seed", "3", "--property", "values")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "numpy/eager/cpu/float64: 1.8 s, seed 3"
    assert lines[1] == "  worst cases go to hunt/numpy-eager-cpu-float64"
    assert lines[2].split() == ["after", "of", "its", "limit", "record"]
    assert re.fullmatch(r" +\d\.\d s +new -> \d+\.\d% +values-y\.safetensors", lines[3])
    assert re.search(
        r"^Nothing failed: \d+ cases in \d\.\d s; the worst is at \d+\.\d% of its limit, values", result.stdout, re.M
    )
    assert re.search(r"^  values of y +\d+\.\d%  max \d\.\d of \d+\.\d", result.stdout, re.M)
    assert lines[-1].startswith("  replay  gradassay replay hunt/numpy-eager-cpu-float64/values-")
    assert all(len(line) <= 80 for line in lines[:-1])
    assert [path.name for path in tmp_path.iterdir()] == ["hunt"]  # and nothing of Hypothesis' own


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [(0.147, 0.2, "14.7% -> 20.0%"), (0.14701, 0.14711, "14.701% -> 14.711%"), (None, 0.05, "new -> 5.0%")],
)
def test_a_record_that_moved_little_is_seen_to_move(
    tmp_path: Path, before: float | None, now: float, told: str
) -> None:
    first, second = (
        Worst("values", "y", share or 0.0, "", "unit", tmp_path / "a.safetensors") for share in (before, now)
    )
    (line,) = lines(7.0, Moved(second, None if before is None else first))
    assert f" {told}  " in line.text and line.text.endswith("  a.safetensors")


@dataclass
class Planned:
    """Stands for `hunt`: tells and returns what it is given, or raises."""

    events: list[Event] = field(default_factory=list)
    result: list[Hunted] | BaseException = field(default_factory=list)

    def __call__(self, typed: str, *, tell: Any, **options: Any) -> list[Hunted]:
        for event in self.events:
            tell(1.0, event)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


def test_the_command_tells_a_failure_and_exits_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, told = search(tmp_path, faulty_backend("reverse-dx-not-reversed-back"))
    monkeypatch.setattr(_hunt, "hunt", Planned(told, [found]))
    result = invoke("hunt", "numpy", "--minutes", "1")
    assert result.exit_code == 1
    assert re.search(r"^ +1\.0 s  WRONG, and shrunk: failed-gradients-x\.safetensors$", result.stdout, re.M)
    assert re.search(r"gradients of x failed\s+in\s+hunt/drawn-\d+ \(lstm\)", result.stdout)
    assert all(len(line) <= 80 for line in result.stdout.splitlines() if " replay " not in line)
    assert re.search(r"^  call +Call\(batch=1, steps=2,", result.stdout, re.M)
    assert re.search(r"^  replay +gradassay replay .*failed-gradients-x\.safetensors$", result.stdout, re.M)
    assert "--suite hunt" not in result.stdout  # no such suite: the file replays it
    last = re.sub(r"\s+", " ", result.stdout[result.stdout.rindex("FAILED") :])
    assert re.match(r"FAILED: \S+ is wrong; \d+ cases in [\d.]+ s; kept in ", last)


def test_a_target_without_a_verdict_exits_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Hunted(TARGET, Records(tmp_path, TARGET), 12, 3.0, None, False)
    monkeypatch.setattr(_hunt, "hunt", Planned([nothing], [nothing]))
    result = invoke("hunt", "numpy", "--minutes", "1")
    assert result.exit_code == 1
    assert result.stdout == f"FAILED: {TARGET} reached no verdict; 12 cases in 3.0 s\n"


def test_the_command_interrupted_says_where_the_cases_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hunt, "hunt", Planned(result=KeyboardInterrupt()))
    result = invoke("hunt", "numpy", "--minutes", "1", "--out", str(tmp_path))
    assert result.exit_code == 130
    assert result.stderr == f"gradassay: interrupted; what was found is kept in {tmp_path}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("numpy",), "Missing option '--minutes'"),
        (("numpy", "--minutes", "0"), "0.0 is not in the range x>0"),
        (("numpy", "--minutes", "1", "--seed", "-1"), "-1 is not in the range x>=0"),
        (("numpy", "--minutes", "1", "--property", "grad"), "there is no property `grad`"),
    ],
)
def test_bad_options_exit_with_2(arguments: tuple[str, ...], message: str) -> None:
    result = invoke("hunt", *arguments)
    assert result.exit_code == 2 and message in result.stderr


def test_without_hypothesis_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = invoke("hunt", "numpy", "--minutes", "1")
    assert result.exit_code == 2
    assert "Hypothesis, which is not installed: pip install 'gradassay[pytest]'" in result.stderr
