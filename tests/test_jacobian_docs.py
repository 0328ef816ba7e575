"""docs/jacobians.md says what happens: every example is run, and what it prints is compared."""

from __future__ import annotations

import doctest
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from files import forget_files
from test_jacobian_backends import FAST

DOCS = Path(__file__).parent.parent / "docs"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def examples(text: str) -> str:
    return "\n".join(re.findall(r"```pycon\n(.*?)```", text, flags=re.DOTALL))


def failures(text: str) -> int:
    test = doctest.DocTestParser().get_doctest(examples(text), {}, "docs/jacobians.md", None, 0)
    return doctest.DocTestRunner(optionflags=OPTIONS).run(test).failed


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("gradassay_torch")
    monkeypatch.setenv("GRADASSAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast.py").write_text(FAST)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "fast", raising=False)
    yield
    forget_files()


def test_examples_print_what_the_page_says(tmp_path: Path) -> None:
    text = (DOCS / "jacobians.md").read_text(encoding="utf-8")
    assert text.count("```pycon") > 8
    assert failures(text) == 0
    drawn = {"j.svg": "jacobian.svg", "c.svg": "state_jacobians.svg"}
    for own, shown in drawn.items():  # the page's pictures are these, but for the last digits of the numbers
        assert words(tmp_path / own) == words(DOCS / "images" / shown)


def words(path: Path) -> list[str]:
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_wrong_word_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    assert failures("```pycon\n>>> print('right')\nwrong\n```") == 1
    assert "wrong" in capsys.readouterr().out
