"""No block of code is left out: each has a rule, and what has none is found."""

import pytest
from markdown_it import MarkdownIt

from tests.docs.pages import PAGES, ROOT, Fence, fences, name_of
from tests.docs.rules import Bash, Directive, File, Output, Python, UncoveredError, rules
from tests.docs.shown import matches


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_block_has_a_rule(page):
    """As many rules as blocks, in this page."""
    found = fences(page)
    assert len(rules(found)) == len(found)


def test_the_blocks_of_a_page_are_found(tmp_path):
    """Fenced or indented, and within lists too."""
    page = tmp_path / "page.md"
    page.write_text("```python\n1\n```\n\n- a\n  ```bash\n  b\n  ```\n\ntext\n\n    indented\n")
    assert fences(page) == [Fence("python", "1\n", 1), Fence("bash", "b\n", 6), Fence("", "indented\n", 12)]


@pytest.mark.parametrize(
    ("language", "text", "rule"),
    [
        ("{toctree}", "a", Directive()),
        ("python", "# fit.py\n", File("fit.py", "# fit.py\n")),
        ("bash", "#!/bin/bash\n# job.sh\n", File("job.sh", "#!/bin/bash\n# job.sh\n")),
        ("python", "x = 1\n", Python("x = 1\n")),
        ("bash", "ls a\nmake demo\n", Bash("ls a", ("make demo",))),
        ("bash", 'pip install ".[otlp,demo]"\n', Bash("", ('pip install ".[otlp,demo]"',))),
        ("bash", "A=1 docker compose up --wait\n", Bash("", ("A=1 docker compose up --wait",))),
        ("bash", "soltrace tail runs\n", Bash("soltrace tail runs --no-follow", ())),
        ("bash", "soltrace tail --until-done && ls\n", Bash("soltrace tail --until-done && ls", ())),
    ],
)
def test_a_block_has_its_rule(language, text, rule):
    """Which is told by its language and its first line."""
    use = Fence("bash", "python fit.py; bash job.sh", 9)
    assert rules([Fence(language, text, 1), use])[0] == rule


def test_what_is_shown_belongs_to_what_runs():
    """A text stands right after it."""
    assert rules([Fence("bash", "ls", 1), Fence("text", "a\n", 5)])[1] == Output("a\n")


@pytest.mark.parametrize(
    "blocks",
    [
        [Fence("", "ls", 1)],
        [Fence("yaml", "a: 1", 1)],
        [Fence("text", "printed by nothing", 1)],
        [Fence("python", "# unused.py\n", 1)],
        [Fence("bash", "make nothing", 1)],
        [Fence("bash", "make demo && ls", 1)],
        [Fence("bash", "pip install '.[nothing]'", 1)],
        [Fence("bash", "pip install soltrace", 1)],
        [Fence("bash", "docker run image", 1)],
    ],
)
def test_what_has_no_rule_is_found(blocks):
    """And so is what names a target, an extra or a file that is not there."""
    with pytest.raises(UncoveredError):
        rules(blocks)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a  b\n", "a b\n\n", True),
        ("09:22:47.952  ended ok in 0.91 ms: 68 steps", "19:00:00.001  ended ok in 1.2 s: 68 steps", True),
        ("09:22:47.952  ended ok in 0.91 ms: 68 steps", "19:00:00.001  ended ok in 1.2 s: 69 steps", False),
        ("runs/20261126T092240Z-node1-83.jsonl", "runs/20270101T000000Z-vm-1.jsonl", True),
        ('{"duration_s":0.5,"step":3}', '{"duration_s":1e-05,"step":3}', True),
        ("first\n...\nlast", "first\nlast", True),
        ("first\n...\nlast", "first\nsecond\nthird\nlast", True),
        ("first\n...\nlast", "first\nsecond\n", False),
        ("first", "first\nsecond", False),
        ("True", "soltrace: none open, 1 ended\nTrue\nsoltrace: 1 pass open, 1 ended; decay", True),
        ("True", "soltrace: logging to x\nTrue", False),
    ],
)
def test_what_is_shown_is_what_is_printed(shown, printed, same):
    """But for times, durations and names of runs."""
    assert matches(shown, printed) is same


def test_the_readme_links_to_what_is_there():
    """Sphinx checks the links of the other pages."""
    tokens = MarkdownIt("commonmark").enable("table").parse((ROOT / "README.md").read_text(encoding="utf-8"))
    inline = [child for token in tokens for child in token.children or []]
    targets = [str(child.attrs.get("href") or child.attrs.get("src") or "") for child in inline]
    local = {target for target in targets if target and "://" not in target}
    assert {target for target in local if not (ROOT / target).exists()} == set()
    assert {"docs/first-hour.md", "docs/pictures/live.svg"} <= local
