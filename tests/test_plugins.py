"""Plugins: found by entry point, told apart by distribution, and none stops another."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradassay._errors import UsageError
from gradassay._plugins import Located, PluginError, find, unknown

SHOW = """
from gradassay._plugins import PluginError, backends, find, load_all, specs
# Beside these, what is bundled may be installed.
found = {name: plugin for name, plugin in backends().items() if not plugin.distribution.startswith("gradassay-")}
for plugin in found.values():
    print(plugin.name, plugin.distribution, plugin.version, plugin.value)
loaded, broken = load_all(found.values())
print("loaded", *loaded)
for one in broken:
    print("broken", one.plugin.name, one.plugin.distribution)
    print(one.message)
"""


def distribution(folder: Path, name: str, version: str, entries: str, **modules: str) -> Path:
    """Lay down an installed distribution: its metadata, and modules by name."""
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(f"[gradassay.backends]\n{entries}\n")
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
    return folder


def show(*folders: Path, code: str = SHOW) -> str:
    """Run code in a process that finds what is installed in the folders, before all else."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, folders), *sys.path])}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def backend(name: str) -> str:
    return f"class one:\n    name = {name!r}\n"


def test_plugins_come_sorted_with_their_distributions(tmp_path: Path) -> None:
    distribution(tmp_path, "zoo", "1.2", "zebra = zoo:one\nape = apes:one", zoo=backend("zebra"), apes=backend("ape"))
    distribution(tmp_path, "a-farm", "0.1", "cow = farm:one", farm=backend("cow"))
    assert show(tmp_path).splitlines() == [
        "ape zoo 1.2 apes:one",
        "cow a-farm 0.1 farm:one",
        "zebra zoo 1.2 zoo:one",
        "loaded ape cow zebra",
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "import no_such_thing",
            "backend `bad` of broken-one 3.0 (bad:one) fails to import: ModuleNotFoundError: No mod",
        ),
        ("1 / 0", "backend `bad` of broken-one 3.0 (bad:one) fails to import: ZeroDivisionError: division by zero"),
        ("def", "backend `bad` of broken-one 3.0 (bad:one) fails to import: SyntaxError: "),
        ("raise SystemExit(2)", "backend `bad` of broken-one 3.0 (bad:one) fails to import: SystemExit: 2"),
        ("two = 2", "backend `bad` of broken-one 3.0 (bad:one) fails to import: AttributeError: module 'bad' has no"),
        (
            "one = 1",
            "backend `bad` of broken-one 3.0 (bad:one) has the name None; it should be that of its entry point",
        ),
        (backend("good"), "has the name 'good'; it should be that of its entry point, 'bad'"),
    ],
)
def test_a_broken_plugin_is_named_and_stops_no_other(tmp_path: Path, source: str, message: str) -> None:
    distribution(tmp_path, "broken-one", "3.0", "bad = bad:one", bad=source)
    distribution(tmp_path, "fine", "1.0", "good = good:one", good=backend("good"))
    shown = show(tmp_path)
    assert "loaded good\nbroken bad broken-one\n" in shown
    assert message in shown


def test_two_plugins_of_one_name_are_refused_and_both_are_named(tmp_path: Path) -> None:
    distribution(tmp_path, "mine", "1.0", "ape = mine:one", mine=backend("ape"))
    distribution(tmp_path, "yours", "2.0", "ape = yours:one\nother = yours:two", yours="class two: name = 'other'")
    shown = show(tmp_path)
    assert "loaded other\n" in shown
    assert (
        "backend `ape` is refused, since mine 1.0 (mine:one) and yours 2.0 (yours:one) both claim the name: "
        "uninstall all but one" in shown
    )


def test_two_claims_in_one_distribution_are_refused_too(tmp_path: Path) -> None:
    distribution(tmp_path, "mine", "1.0", "ape = mine:one\nape = mine:two", mine=backend("ape"))
    assert "since mine 1.0 (mine:one) and mine 1.0 (mine:two) both claim the name" in show(tmp_path)


def test_a_distribution_that_is_listed_twice_is_one(tmp_path: Path) -> None:
    """As an editable install is: by its path line, and by the metadata that a build left in the source tree."""
    for folder, name in (("site", "my-lib"), ("source", "My_Lib")):
        distribution(tmp_path / folder, name, "1.0", "ape = mine:one", mine=backend("ape"))
    shown = show(tmp_path / "site", tmp_path / "source")
    assert shown.splitlines() == ["ape my-lib 1.0 mine:one", "loaded ape"]


def test_nothing_is_imported_to_list_plugins(tmp_path: Path) -> None:
    distribution(tmp_path, "zoo", "1.0", "ape = apes:one", apes="raise SystemExit('imported')")
    code = (
        "import sys; from gradassay._plugins import backends; print('ape' in backends()); print('apes' in sys.modules)"
    )
    assert show(tmp_path, code=code) == "True\nFalse\n"


def test_what_a_backend_needs_is_read_from_its_distribution(tmp_path: Path) -> None:
    folder = distribution(tmp_path, "apes-lib", "1.0", "ape = apes:one")
    (metadata,) = folder.glob("*/METADATA")
    needs = ("Frame-Work>=2,<3", "gradassay-lstm", "docs; extra == 'docs'")
    metadata.write_text(metadata.read_text() + "".join(f"Requires-Dist: {need}\n" for need in needs))
    code = "from gradassay._plugins import find; print(find('backend', 'ape').frameworks())"
    assert show(folder, code=code) == "('frame_work',)\n"


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("trch", ["jax", "torch"], "there is no backend `trch`: there are jax, torch; did you mean `torch`?"),
        ("tensorflo", ["tensorflow", "tensorflow-loop"], "did you mean `tensorflow` or `tensorflow-loop`?"),
        ("x", ["numpy"], "there is no backend `x`: there is numpy"),
        ("x", [], "there is no backend `x`: none is installed"),
    ],
)
def test_an_unknown_name_is_told_what_there_is(name: str, known: list[str], message: str) -> None:
    assert message in unknown("backend", name, reversed(known))


def test_find_refuses_what_is_not_installed() -> None:
    with pytest.raises(PluginError, match=re.escape("there is no spec `no-such-spec`: ")):
        find("spec", "no-such-spec")


def test_an_object_of_a_module_is_a_plugin_too() -> None:
    assert find("spec", "fakes:spec").load().name == "fake"
    with pytest.raises(PluginError, match="spec `fakes:no_such` fails to import: AttributeError"):
        find("spec", "fakes:no_such").load()


def test_a_backend_of_a_module_is_described_by_another_process() -> None:
    """So is one in a file; `test_location` has the rest."""
    assert find("backend", "fakes:good").load().name == "fakes:good"
    with pytest.raises(UsageError, match="^fakes has no no_such: it has "):
        find("backend", "fakes:no_such").load()


def test_a_worker_imports_it() -> None:
    found = find("backend", "fakes:good")
    assert isinstance(found, Located) and found.open().name == "fake"


def test_what_is_installed_while_the_process_runs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is listed is kept; a folder that changes is listed again."""
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginError, match="there is no backend `late`"):
        find("backend", "late")
    metadata = tmp_path / "late-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[gradassay.backends]\nlate = late:backend\n")
    assert find("backend", "late").distribution == "late"
