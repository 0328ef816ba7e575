"""The HTML report as a reader has it: opened from disk in Chromium, with and without scripts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import runs
from browser import Seen, chromium, executable, opened
from playwright.sync_api import Browser
from test_report import HOSTILE, Picture, Table, agreeing, contrast, hostile, shown

from gradassay._record import Element, Record

CELL = 'table[data-matrix="a"] a[href="#a-1-1"]'  # gradients on torch's float32
LISTED = "#list tbody tr:not(.detail)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def written(folder: Path, *records: list[Record], pictures: Any = ()) -> Path:
    file = folder / "report.html"
    file.write_text(shown(*records, pictures=pictures), encoding="utf-8")
    return file


def failing() -> list[Record]:
    """Return a run of 9 verdicts: a failure of a known cause, an agreement and a disagreement among them."""
    return [*runs.bad()[:-1], *agreeing(outcome="failed", max=99.0), runs.cause(), runs.footer()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    table = Table(("step", "units"), (("1", "0.5"),))
    return written(tmp_path, failing(), pictures=[Picture("p", "A picture", "It shows.", "<svg></svg>", table)])


def quiet(seen: Seen, file: Path) -> None:
    """Hold that nothing was asked for but the file, and nothing complained of."""
    assert {url.partition("#")[0] for url in seen.requests} == {file.as_uri()}
    assert seen.complaints == []


def test_a_missing_chromium_skips_and_fails_where_nothing_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no Chromium.*apt-get install chromium"):
        executable()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="there is no Chromium"):
        executable()


# --- what is seen first ----------------------------------------------------------------------------------------


def test_the_first_screen_has_the_answer_and_the_matrix(browser: Browser, file: Path) -> None:
    with opened(browser, file) as seen:
        assert seen.text("h1") == "FAILED: 2 failed of 9 verdicts on 3 targets; 1 skipped"
        for selector in ("h1", "#filter", CELL):
            box = seen.page.locator(selector).bounding_box()
            assert box is not None
            assert box["y"] + box["height"] < 900
        assert seen.text(CELL) == "✗57.3"
        assert seen.page.locator(CELL).get_attribute("title") == "1 failed, 1 passed; 57.3 of 14.2"
        quiet(seen, file)


def test_pictures_have_their_numbers_as_a_table(browser: Browser, file: Path) -> None:
    with opened(browser, file) as seen:
        assert seen.texts("#p td") == []
        seen.page.locator("#p summary").click()
        assert seen.texts("#p td") == ["0.5"]


# --- from a cell to its verdicts, and back ---------------------------------------------------------------------


def test_a_cell_leads_to_its_verdicts_and_the_back_button_back(browser: Browser, file: Path) -> None:
    with opened(browser, file) as seen:
        whole = seen.texts('table[data-matrix="a"] td')
        seen.page.locator(CELL).click()
        assert seen.address.endswith("#target=torch/native/cpu/float32&property=gradients")
        assert [row.split()[0] for row in seen.texts(LISTED)] == ["failed", "passed"]
        assert seen.text("#tally") == "2 of 10 verdicts"
        assert len(seen.texts('table[data-matrix="a"] th[scope=row]')) == 1
        assert seen.texts('table[data-matrix="a"] thead th') == ["target", "all", "gradients"]
        assert seen.page.evaluate("document.activeElement.id") == "verdicts-head"
        seen.page.go_back()
        assert seen.address == file.as_uri()
        assert seen.texts('table[data-matrix="a"] td') == whole
        seen.page.go_forward()
        assert len(seen.texts(LISTED)) == 2
        seen.page.locator("#clear").click()
        assert seen.texts('table[data-matrix="a"] td') == whole
        quiet(seen, file)


@pytest.mark.parametrize(
    ("fragment", "listed"),
    [
        ("#target=torch/float32", 6),
        ("#target=torch", 8),
        ("#target=float32/TORCH", 6),
        ("#target=tor", 8),
        ("#target=torch/native/cpu/bfloat16", 2),
        ("#target=numpy&with=torch", 2),
        ("#with=numpy&target=torch", 2),
        ("#property=values", 3),
        ("#property=hvp&outcome=skipped", 1),
        ("#tensor=weight", 1),
        ("#tensor=x", 4),
        ("#dtype=float64", 4),
        ("#outcome=failed", 2),
        ("#case=wide/plain", 1),
        ("#report=1", 1),
        ("#q=forward+mode", 1),
        ("#q=nothing+of+the+kind", 0),
        ("#a-1-1", 2),
        ("#a-1", 4),  # as many as its cell counts: no agreement
        ("#target=torch&with=truth", 6),
        ("#%", 10),
        ("#nonsense=1", 10),
        ("#a-99-99", 10),
        ("#a-facts", 10),
    ],
)
def test_a_link_may_carry_a_filter(browser: Browser, file: Path, fragment: str, listed: int) -> None:
    with opened(browser, file, fragment) as seen:
        assert len(seen.texts(LISTED)) == listed
        quiet(seen, file)


def test_typing_filters_and_the_fields_follow_the_address(browser: Browser, file: Path) -> None:
    with opened(browser, file) as seen:
        seen.page.fill("input[name=target]", "torch")
        seen.page.fill("input[name=target]", "torch/float32")
        seen.page.select_option("select[name=property]", "gradients")
        seen.page.fill("input[name=tensor]", "weight")
        assert seen.address.endswith("#target=torch/float32&property=gradients&tensor=weight")
        assert len(seen.texts(LISTED)) == 1
        for tensor, property_, target in [("", "gradients", "torch/float32"), ("", "", "torch/float32"), ("", "", "")]:
            seen.page.go_back()  # a field at a time, not a letter
            assert seen.page.input_value("input[name=tensor]") == tensor
            assert seen.page.input_value("select[name=property]") == property_
            assert seen.page.input_value("input[name=target]") == target
        quiet(seen, file)


def test_the_matrix_tells_of_what_matches_alone(browser: Browser, file: Path) -> None:
    with opened(browser, file, "#tensor=x") as seen:
        assert seen.text(CELL) == "5.0"
        assert seen.page.locator(CELL).locator("xpath=..").get_attribute("class") == "used-1"
        assert seen.page.locator(CELL).get_attribute("title") == "1 passed; 5.0 of 14.2"
        seen.page.fill("input[name=tensor]", "")
        assert seen.text(CELL) == "✗57.3"


CELLS = "[...document.querySelectorAll('table[data-matrix] tr:not([hidden]) td:not(.out) > a')]"


def test_what_matches_in_a_cell_is_told_as_the_whole_of_it_would_be(browser: Browser, tmp_path: Path) -> None:
    """Hold a filter that leaves out one verdict against a page that never had it."""
    boundless = element(kind="not finite", z=None)
    kept: list[Record] = [
        runs.verdict(property="values", tensor="y"),
        runs.verdict(property="values", outcome="blind"),
        runs.failed(),
        runs.failed(tensor="h0", max=None, rms=None, worst=boundless),
        runs.failed(property="hvp", waived="issue 7", max=20.0),
        runs.failed(property="hvp", waived="issue 7", max=None, worst=None),
        runs.failed(property="vjp", max=20.0),
        runs.failed(property="vjp", max=30.0, worst=element(kind="structural zero")),
        runs.verdict(property="jvp", outcome="errored", max=None, reason="boom"),
        runs.failed(property="jvp"),
    ]
    names = ("values", "gradients", "hvp", "vjp", "jvp")
    head = runs.header((runs.TARGETS[1],), properties=names)
    gone = [runs.verdict(property=name, case="gone", max=1.0) for name in names]
    told = f"{CELLS}.map(a => [a.textContent, a.title, a.parentElement.className])"
    with opened(browser, written(tmp_path, [head, *kept, runs.footer()])) as seen:
        whole = seen.page.evaluate(told)
    with opened(browser, written(tmp_path, [head, *kept, *gone, runs.footer()]), "#case=wide/ragged") as seen:
        assert seen.page.evaluate(told) == whole
    assert [face for face, _, _ in whole] == ["✗30.0", "3.1", "✗", "w20.0", "✗30.0", "✗"]


def element(**changes: Any) -> Element:
    return msgspec.structs.replace(runs.WORST, **changes)


def test_what_is_not_finite_is_the_worst_of_all(browser: Browser, tmp_path: Path) -> None:
    nan = runs.failed(tensor="nan", max=None, rms=None, worst=element(kind="not finite", z=None))
    file = written(tmp_path, [runs.header(), runs.failed(max=1e9), nan, runs.failed(max=20.0), runs.footer()])
    with opened(browser, file, "#outcome=failed") as seen:
        assert [" nan " in row for row in seen.texts(LISTED)] == [True, False, False]


def test_a_filter_that_no_failure_matches_is_said_to_match_none(browser: Browser, file: Path) -> None:
    with opened(browser, file, "#outcome=passed") as seen:
        assert seen.texts("article") == []
        assert seen.texts(".failures .none") == ["None of it matches the filter."]
        seen.page.locator("#clear").click()
        assert seen.texts(".failures .none") == []


def test_a_verdict_too_many_for_its_details_says_so(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradassay.views.html._columns.DETAILED", 1)
    file = written(tmp_path, [runs.header(), runs.failed(max=99.0), runs.failed(tensor="x"), runs.footer()])
    with opened(browser, file) as seen:
        for button in seen.page.locator("#list .more").all():
            button.click()
        first, second = seen.texts("#list .detail")
        assert "got 0.12345" in first and "left out" not in first
        assert "left out got, should be and where, which the page has of the 1 worst verdicts alone" in second


def test_the_worst_verdicts_come_first_a_page_at_a_time(browser: Browser, tmp_path: Path) -> None:
    many = [runs.verdict(max=number / 100, case=f"case-{number}") for number in range(250)]
    with opened(browser, written(tmp_path, [*runs.bad()[:-1], *many, runs.footer()])) as seen:
        assert len(seen.texts(LISTED)) == 20
        assert seen.texts(LISTED)[0].startswith("failed")
        seen.page.select_option("select[name=property]", "gradients")
        assert len(seen.texts(LISTED)) == 100
        assert seen.text("#shown") == "1 to 100 of 254 verdicts, the worst first."
        for _ in range(2):
            seen.page.locator("#next").click()
        assert seen.text("#shown") == "201 to 254 of 254 verdicts, the worst first."
        assert seen.page.locator("#next").is_disabled()
        assert "case-0" in seen.texts(LISTED)[-1]
        seen.page.locator("#previous").click()
        assert seen.text("#shown").startswith("101 to 200")


def test_a_verdict_says_the_rest_when_asked(browser: Browser, file: Path) -> None:
    with opened(browser, file, "#report=1") as seen:
        seen.page.locator("#list .more").click()
        detail = seen.text("#list .detail")
        for said in (
            "57.3 noise units at most (limit 14.2), RMS 12.1 (limit 4.0), 400 elements",
            "got 0.12345 should be 0.12341 ± 1.2e-08",
            "layer 1, direction reverse, gate f, unit 3, feature 0 (at [23, 0])",
            "RMS 12.1 is above 4",
            "1. torch: the gate order is i, f, o, g",
            runs.failed().replay,
        ):
            assert said in detail
        seen.page.locator("#list .copy").click()
        seen.page.locator("#list .copy", has_text=re.compile("Copied|Selected")).wait_for()
        seen.page.locator("#list .more").click()
        assert seen.texts("#list .detail") == []
        quiet(seen, file)


def test_a_replay_command_is_composed_from_the_parts_of_a_verdict(browser: Browser, tmp_path: Path) -> None:
    own = "gradassay verify torch/native/cpu/float32 --spec lstm --suite wide --case wide/ragged --property gradients"
    file = written(tmp_path, [runs.header(), runs.verdict(replay=own), *agreeing(), runs.footer()])
    with opened(browser, file, "#property=gradients") as seen:
        seen.page.locator("#list .more").click()
        assert seen.text("#list .detail .replay") == own


def test_a_failure_leads_to_all_its_verdicts_and_others_are_out_of_the_way(browser: Browser, file: Path) -> None:
    with opened(browser, file) as seen:
        assert len(seen.texts("article")) == 2
        seen.page.locator("#a-cause-1 [data-filter]").click()
        assert seen.address.endswith("#report=1")
        assert len(seen.texts(LISTED)) == 1
        assert len(seen.texts("article")) == 1
        assert seen.texts("#chips button") == ["cause 1 ×"]
        seen.page.locator("#chips button").click()
        assert len(seen.texts("article")) == 2


def test_a_pair_of_backends_leads_to_what_was_compared(browser: Browser, file: Path) -> None:
    with opened(browser, file) as seen:
        seen.page.locator(".answers [data-filter]").first.click()
        assert [row.split()[0] for row in seen.texts(LISTED)] == ["failed", "passed"]
        assert "agreement with torch/native/cpu/float32" in seen.texts(LISTED)[0]
        # A link to a place on the page goes there and leaves the filter as it is.
        seen.page.locator('.sections a[href="#a-facts"]').click()
        assert "with=torch" in seen.address
        assert seen.page.locator("#a-facts").is_visible()


def test_several_runs_are_told_apart(browser: Browser, tmp_path: Path) -> None:
    file = written(tmp_path, runs.good(), failing())
    with opened(browser, file) as seen:
        assert len(seen.texts("table[data-matrix]")) == 2
        seen.page.locator('table[data-matrix="b"] a[href="#b-1-1"]').click()
        assert "#run=b&target=" in seen.address
        assert [row.split()[:2] for row in seen.texts(LISTED)] == [["B", "failed"], ["B", "passed"]]
        assert len(seen.texts("table[data-matrix]")) == 1
        seen.page.select_option("select[name=run]", "")
        assert len(seen.texts(LISTED)) == 3
        seen.page.goto(file.as_uri() + "#a-1-1")
        seen.page.wait_for_url("**#run=a&target=**")
        quiet(seen, file)


# --- the keyboard ----------------------------------------------------------------------------------------------


def test_everything_can_be_reached_and_used_with_the_keyboard(browser: Browser, file: Path) -> None:
    with opened(browser, file) as seen:
        page = seen.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the verdicts"
        assert page.locator(".skip").first.bounding_box()["x"] >= 0  # type: ignore[index]
        page.keyboard.press("Enter")
        assert page.evaluate("document.querySelector('#verdicts').getBoundingClientRect().top < innerHeight")
        page.goto("about:blank")
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        reached: list[str] = []
        for _ in range(150):
            page.keyboard.press("Tab")
            here = page.evaluate(
                "(() => { const e = document.activeElement; if (e === document.body) return '';"
                "const s = getComputedStyle(e); e.dataset.seen = 1;"
                "return `${e.tagName} ${e.name || e.id || e.textContent.trim().slice(0, 20)} ${s.outlineStyle}` })()"
            )
            if not here:
                break  # out of the page: nothing held the focus
            reached.append(here)
        else:
            raise AssertionError(f"the tab key never left the page: {reached[-9:]}")
        assert all(stop.endswith(" solid") or "auto" in stop for stop in reached), reached  # focus can be seen
        missed = page.evaluate(
            "[...document.querySelectorAll('a[href], button, input, select, summary')].filter(e => e.checkVisibility()"
            "&& !e.dataset.seen && e.tabIndex >= 0 && !e.disabled && e.name !== 'theme').map(e => e.outerHTML)"
        )
        assert missed == []


def test_arrows_walk_the_matrix_and_enter_opens_a_cell(browser: Browser, file: Path) -> None:
    with opened(browser, file) as seen:
        page = seen.page
        first = page.locator('table[data-matrix="a"] a[tabindex="0"]')
        assert first.count() == 1  # a matrix is one stop of the tab key
        first.focus()
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowDown"):
            page.keyboard.press(key)
        assert page.evaluate("document.activeElement.getAttribute('href')") == "#a-1-1"
        for _ in range(20):  # up to the heads of the columns, which filter too
            page.keyboard.press("ArrowUp")
        assert page.evaluate("document.activeElement.getAttribute('href')") == "#property=gradients"
        page.keyboard.press("Enter")
        assert len(seen.texts(LISTED)) == 4
        quiet(seen, file)


# --- how it looks ----------------------------------------------------------------------------------------------


def colours(seen: Seen, selector: str = "body") -> tuple[str, str]:
    """Return the colours of text and of what is behind it, as they are computed."""
    script = "(e) => { const s = getComputedStyle(e); return [s.color, s.backgroundColor] }"
    found = seen.page.locator(selector).first.evaluate(script)
    text, behind = ("#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", one)[:3]) for one in found)
    return text, behind


def test_it_is_dark_where_that_is_wished_and_can_be_switched(browser: Browser, file: Path) -> None:
    with opened(browser, file, color_scheme="light") as seen:
        light = colours(seen)
        seen.page.check("#theme-dark")
        dark = colours(seen)
    with opened(browser, file, color_scheme="dark") as seen:
        assert colours(seen) == dark != light
        seen.page.check("#theme-light")
        assert colours(seen) == light
    assert contrast(*light) > 7
    assert contrast(*dark) > 7


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_cells_can_be_read_as_they_are_drawn(browser: Browser, file: Path, scheme: Any) -> None:
    with opened(browser, file, color_scheme=scheme) as seen:
        assert contrast(*colours(seen, "td.failed > a")) >= 4.5
        assert seen.page.locator("td.used-1").count()
        text, behind = colours(seen, "td.used-1 > a")[0], colours(seen, "td.used-1")[1]
        assert contrast(text, behind) >= 4.5


def test_a_narrow_screen_scrolls_tables_and_not_the_page(browser: Browser, tmp_path: Path) -> None:
    file = written(tmp_path, failing(), runs.good())
    with opened(browser, file, viewport={"width": 360, "height": 740}) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
        for summary in seen.page.locator("summary").all():
            if summary.locator("xpath=..").get_attribute("open") is None:
                summary.click()
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
        seen.page.locator(CELL).click()
        assert len(seen.texts(LISTED)) == 2
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_on_paper_there_is_what_can_be_read_there(browser: Browser, file: Path) -> None:
    with opened(browser, file, color_scheme="dark") as seen:
        seen.page.emulate_media(media="print")
        for gone in ("#filter", "#verdicts", ".theme", ".sections"):
            assert not seen.page.locator(gone).first.is_visible()
        assert seen.page.locator(CELL).is_visible()
        assert colours(seen)[1] == "#fdfdfb"
        seen.page.emulate_media(media="print", color_scheme="light")
        assert seen.page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


# --- without scripts -------------------------------------------------------------------------------------------


def test_without_scripts_all_tables_are_there_and_a_cell_leads_to_its_row(browser: Browser, file: Path) -> None:
    with opened(browser, file, java_script_enabled=False) as seen:
        assert not seen.page.locator("#filter").is_visible()
        assert "Scripts are off" in seen.text("main")
        assert seen.texts(".needs-script") == []
        assert seen.text(CELL) == "✗57.3"
        for heading in ("What is wrong: 2 verdicts", "Can a model be moved?", "What was not seen", "The run"):
            assert any(text.startswith(heading) for text in seen.texts("h2"))
        row = seen.page.locator("#a-0-1")
        assert not row.is_visible()
        seen.page.locator('table[data-matrix="a"] a[href="#a-0-1"]').click()
        assert row.is_visible()
        row = seen.page.locator("#a-1-1")
        assert "1 failed, 1 passed; 57.3 of 14.2" in row.inner_text()
        assert runs.failed().replay in row.inner_text()
        assert seen.complaints == []


# --- foreign text, and much of it ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_foreign_text_does_nothing(browser: Browser, tmp_path: Path, text: str) -> None:
    file = written(tmp_path, hostile(text), hostile(text), pictures=[Picture("p", text, text, "", Table((), ()))])
    with opened(browser, file, viewport={"width": 360, "height": 740}) as seen:
        seen.page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
        assert "had" not in seen.page.title()
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert len(seen.texts(LISTED)) == 8
        for button in seen.page.locator("#list .more").all():
            button.click()
        seen.page.locator('table[data-matrix="a"] td > a').nth(1).click()
        assert len(seen.texts(LISTED)) == 1
        seen.page.fill("input[name=q]", text[:50].strip("\x00\x07"))
        seen.page.go_back()
        assert len(seen.texts(LISTED)) == 1
        quiet(seen, file)


def test_fifty_thousand_verdicts_are_no_burden(browser: Browser, tmp_path: Path) -> None:
    names = [f"backend{b}/mode{m}/cpu/{dtype}" for b in range(5) for m in range(4) for dtype in ("float64", "float32")]
    many: list[Record] = [
        runs.verdict(target=target, property=f"property_{p}", case=f"wide/case-{n % 30}", tensor=f"tensor_{n}",
                     max=(n * 7919 % 50) / 10, replay="")
        for target in names for p in range(35) for n in range(36)
    ]  # fmt: skip
    start = time.perf_counter()
    file = written(tmp_path, [runs.header(names), *many, runs.footer()])
    made = time.perf_counter() - start
    assert len(many) == 50_400
    assert file.stat().st_size < 2_000_000
    with opened(browser, file) as seen:
        first = seen.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        assert seen.text("#tally") == "50,400 verdicts"
        took = seen.page.evaluate(
            "(() => { const field = document.querySelector('input[name=q]'); const start = performance.now();"
            "field.value = 'tensor_7'; field.dispatchEvent(new Event('input', {bubbles: true}));"
            "document.body.offsetHeight; return performance.now() - start })()"
        )
        assert seen.text("#tally") == "1,400 of 50,400 verdicts"
        quiet(seen, file)
    print(f"made in {made:.1f} s, painted after {first:.0f} ms, filtered in {took:.0f} ms")
    assert made < 60  # generous, for a busy machine: docs/report.md has the times of a quiet one
    assert first < 10_000
    assert took < 3_000
