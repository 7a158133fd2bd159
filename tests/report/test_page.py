"""The page in a real browser: Chromium, which has to be there (`make test` says how to install it)."""

import importlib.util
import re
from itertools import pairwise
from pathlib import Path

import pytest

from soltrace.reading.text import clean
from soltrace.report.gather import gather
from soltrace.report.page import page

pytestmark = [pytest.mark.programs, pytest.mark.once, pytest.mark.xdist_group("browser")]

_spec = importlib.util.spec_from_file_location("report_samples", Path(__file__).with_name("conftest.py"))
_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_samples)

CHARTS = [
    *("timeline", "times", "work", "solves", "reasons", "sides"),
    *("progress", "sizes", "errors", "rejected", "watched-0", "lanes"),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The page of the story."""
    directory = tmp_path_factory.mktemp("story")
    _samples.write_story(directory)
    path = directory / "report.html"
    path.write_text(page(gather(sorted(directory.glob("*.jsonl")))), encoding="utf-8")
    return path


def drawn(seen) -> dict[str, int]:
    """The marks of each picture: bars, lines, points."""
    script = (
        "e => e.querySelectorAll('svg .mark-rect path, svg .mark-line path, svg .mark-symbol.role-mark path').length"
    )
    elements = seen.page.query_selector_all(".chart[data-drawn]")
    return {element.get_attribute("data-chart"): element.evaluate(script) for element in elements}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_picture_is_drawn(visit, path, scheme):
    """In the reader's colours, without a complaint, and without asking anybody for anything."""
    seen = visit(path, color_scheme=scheme)

    marks = drawn(seen)
    assert (list(marks), seen.noticed) == (CHARTS, [])
    assert min(marks.values()) > 0
    colours = (
        "() => ['body', '[data-chart=times] .mark-rect path'].map(s => getComputedStyle(document.querySelector(s)))"
    )
    body, bar = seen.page.evaluate(f"() => ({colours})().map((s, i) => i ? s.fill : s.backgroundColor)")
    expected = {"light": ("rgb(255, 255, 255)", "rgb(122, 81, 149)"), "dark": ("rgb(21, 24, 28)", "rgb(195, 160, 220)")}
    assert (body, bar) == expected[scheme]


def test_an_experiment_is_chosen(visit, path):
    """Its rows and its marks stay, and how many those are is said."""
    seen = visit(path)
    before = drawn(seen)
    rows = seen.page.locator("tr[data-experiment]:not([hidden])")
    everything = rows.count()

    seen.page.select_option("#experiment", "fit")

    chosen = rows.evaluate_all("rows => rows.map(row => row.dataset.experiment)")
    assert 0 < len(chosen) < everything
    assert set(chosen) == {"fit"}
    assert seen.texts("#shown") == [f"{len(chosen)} of {everything} rows about experiments are shown"]
    seen.page.wait_for_selector("[data-chart=lanes] .mark-rect path", state="detached")
    after = drawn(seen)
    filtered = {*CHARTS} - {"timeline", "times", "sides", "rejected", "watched-0"}
    assert {name for name in CHARTS if after[name] != before[name]} == filtered

    seen.page.select_option("#experiment", "")
    seen.page.wait_for_selector("[data-chart=lanes] .mark-rect path", state="attached")
    assert (rows.count(), drawn(seen), seen.noticed) == (everything, before, [])


def test_side_by_side_by_another_attribute(visit, path):
    """The picture, the sentences and the table are those of what was chosen."""
    seen = visit(path)
    assert seen.texts(".choice h3") == ["By lr"]
    assert seen.texts("#figure-sides") == ["Median duration of a pass, by lr"]

    seen.page.select_option("#by", "experiment")

    assert seen.texts(".choice h3") == ["By experiment"]
    assert seen.texts("#figure-sides") == ["Median duration of a pass, by experiment"]
    fewest, most = "experiment=fit (20 steps)", "experiment=sweep/warm takes most steps in a pass: 100 steps"
    assert f"{most}, 5 times as much as {fewest}." in seen.texts(".choice li")
    seen.page.wait_for_selector("[data-chart=sides] text >> text=sweep/warm", state="attached")
    labels = seen.page.query_selector_all("[data-chart=sides] .role-axis-label text")
    assert {"fit", "sweep/warm"} <= {label.text_content() for label in labels}
    assert not {"0.01", "0.1", "a", "b"} & {label.text_content() for label in labels}


def test_on_paper(visit, path):
    """Dark ink on white whatever the screen's colours, no controls, and every comparison."""
    seen = visit(path, color_scheme="dark")
    seen.page.emulate_media(media="print")

    style = seen.page.evaluate(
        "() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert style == ["rgb(28, 30, 33)", "rgb(255, 255, 255)"]
    assert seen.texts("nav, select, summary") == []
    assert seen.texts(".choice h3") == ["By lr", "By experiment", "By run_id"]
    assert list(drawn(seen)) == CHARTS


def test_without_scripts(visit, path):
    """All that the pictures show is in tables."""
    seen = visit(path, java_script_enabled=False)

    assert seen.texts("noscript") == ["The pictures need JavaScript. All that they show is in the tables."]
    assert len(seen.page.query_selector_all("details table")) == len(CHARTS) - 1  # side by side needs no opening
    assert len(seen.page.query_selector_all(".choice table")) == 3


def test_by_keyboard(visit, path):
    """From the top: past the navigation, to what can be chosen, and into a table."""
    seen = visit(path)

    def focused() -> str:
        return seen.page.evaluate("() => document.activeElement.id || document.activeElement.textContent.trim()")

    seen.page.keyboard.press("Tab")
    assert focused() == "Skip to what ran"
    reached = []
    for _ in range(10):
        seen.page.keyboard.press("Tab")
        reached.append(focused())
    assert reached[0] == "What ran"
    assert reached[-1] == "experiment"

    seen.page.focus("summary")
    seen.page.keyboard.press("Enter")
    assert seen.texts("details[open] caption") == ["Passes and compilations, by run and time"]


def test_for_a_screen_reader(visit, path):
    """Landmarks, headings without a gap, captions, headers, and a description of every picture."""
    seen = visit(path)
    find = seen.page.query_selector_all

    assert [len(find(tag)) for tag in ("header", "nav[aria-label]", "main", "footer", "h1", "html[lang=en]")] == [1] * 6
    levels = [int(heading.evaluate("e => e.tagName")[1]) for heading in find("h1, h2, h3")]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert [table for table in find("table") if not table.query_selector("caption")] == []
    assert find("th:not([scope])") == []
    pictures = find("figure .chart[role=img]")
    assert len(pictures) == len(CHARTS)
    assert all(len(picture.get_attribute("aria-label")) > 40 for picture in pictures)
    assert [control for control in find("select") if not find(f"label[for={control.get_attribute('id')}]")] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(visit, path, scheme):
    """Text and marks are told from the paper (WCAG 2: 4.5 for text, 3 for what is drawn)."""
    seen = visit(path, color_scheme=scheme)
    names = [
        "paper",
        "ink",
        "quiet",
        "link",
        "bad",
        "forward",
        "backward",
        "compile",
        "accepted",
        "rejected",
        "recomputed",
    ]
    read = "names => names.map(n => getComputedStyle(document.documentElement).getPropertyValue('--' + n).trim())"
    colours = dict(zip(names, map(luminance, seen.page.evaluate(read, names)), strict=True))

    paper = colours.pop("paper")
    ratios = {name: (max(paper, it) + 0.05) / (min(paper, it) + 0.05) for name, it in colours.items()}
    least = {name: 4.5 if name in {"ink", "quiet", "link", "bad"} else 3.0 for name in ratios}
    assert {name: ratio for name, ratio in ratios.items() if ratio < least[name]} == {}


def luminance(colour: str) -> float:
    """Relative luminance, by WCAG 2."""
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


HOSTILE = [
    "</script><script>window.caught = 1</script>",
    "<img src=x onerror='window.caught = 2'>",
    '"><svg onload=window.caught=3>',
    "$1 $& $` {{ 7 * 7 }} {% raw %} %s ${window.caught=4}",
    "\x00\x1b[31m\u202e\u2028 controls \U0001f600",
    "'; DROP TABLE records; --",
]


def test_what_a_log_says_stays_text(visit, tmp_path, logs):
    """Wherever it stands: nothing of it runs, and it is shown as it is."""
    for text in HOSTILE:
        log = logs(text, text, **{text: text})
        told = {"step": [1, 2], "t": [0.0, 0.0], "dt": [1.0, 0.5], "accepted": [False, True], "reason": [text] * 2}
        log.append(
            tmp_path / "run.jsonl",
            *(log.opened(host=text), log.experiment_started(0), log.compiled(0, text)),
            *(log.started(0, solver=text, lanes=[2]), log.lane_ended(1, lane=[0], status="error", result=text)),
            log.progress(1, progress=0.5, step=1, batch_index=[0], watched={text: 1.0}),
            *(
                log.steps(1, lane=[0], **told, scaled_error=[2.0, 0.5]),
                log.nonfinite(1, lane=[0], path=text, found_in=text),
            ),
            *(log.ended(1, status="error", result=text), log.experiment_ended(2, error=text), log.started(3, 2)),
            *(log.line(log.dropped(2, 1), what=text, reason=text), log.line(log.ended(3), event=f"x{text}")),
        )
    path = tmp_path / "report.html"
    path.write_text(page(gather([tmp_path / "run.jsonl"])), encoding="utf-8")

    seen = visit(path)

    watched = [f"watched-{place}" for place in range(1, len(HOSTILE))]
    assert (list(drawn(seen)), seen.noticed) == ([*CHARTS[:-1], *watched, CHARTS[-1]], [])
    shown = [re.sub(r"\s+", " ", text) for text in seen.texts("[aria-labelledby=ran] tbody th")]
    assert {clean(text) for text in HOSTILE} <= set(shown)
    for index in range(1, len(HOSTILE) + 1):
        seen.page.select_option("#experiment", index=index)
        seen.page.wait_for_selector("[data-chart=lanes] .mark-rect path", state="attached")
        assert seen.page.locator("tbody tr[data-experiment]:visible").count() > 3
        assert drawn(seen)["progress"] == 3  # a line from one point to another
        seen.page.select_option("#by", index=index - 1)
    assert seen.noticed == []
    # The data, Vega, and ours.
    assert seen.page.evaluate("() => [window.caught, document.scripts.length]") == [None, 3]
