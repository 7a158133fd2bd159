"""Every block of code in the README and in docs/ runs as it stands there, and prints what the page shows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, fences, name_of
from tests.docs.rules import Bash, File, Output, Python, rules
from tests.docs.shown import matches, steady

COLLECTOR = "localhost:4318"
RUNNER = Path(__file__).with_name("run_page.py")
WITH_OLDEST = {"README", "docs/how-to/zero-code"}
"""What is shown there goes through most of the libraries; the other pages show more of our own."""
ELSEWHERE = {"docs/how-to/trackers"}
"""Where a server is needed: tests/trackers runs it."""
WITH_CODE = [
    page
    for page in PAGES
    if name_of(page) not in ELSEWHERE and any(isinstance(rule, Bash | Python) for rule in rules(fences(page)))
]


def steps(page, address):
    """What is to be run, and what each step has to print, if the page says so."""
    found, shown = [], []
    for rule in rules(fences(page)):
        match rule:
            case File(name, text):
                found.append(["bash", f"cat > {name} <<'END OF FILE'\n{text}END OF FILE"])
            case Python(text) | Bash(text):
                found.append(["bash" if isinstance(rule, Bash) else "python", text.replace(COLLECTOR, address)])
            case Output(text):
                shown[-1] = text
                continue
            case _:
                continue
        shown.append(None)
    return found, shown


@pytest.mark.slow
@pytest.mark.programs
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name_of(page), marks=() if name_of(page) in WITH_OLDEST else pytest.mark.once)
        for page in WITH_CODE
    ],
)
def test_what_a_page_says_is_what_happens(page, tmp_path, environ, receiver):
    """No error, no warning, and the output that is shown; what goes to a collector arrives."""
    found, shown = steps(page, receiver.address)
    done = subprocess.run(
        [sys.executable, RUNNER],
        input=json.dumps(found),
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    printed = answer["printed"]
    assert not answer["failed"], f"{found[len(printed) - 1][1]}\nfails:\n{printed[-1]}"
    for (_, text), wanted, got in zip(found, shown, printed, strict=True):
        assert "Warning" not in got, f"{text}\nwarns:\n{got}"
        if wanted is not None:
            assert matches(wanted, got), f"{text}\nshould print:\n{steady(wanted)}\nand prints:\n{got}"
    sending = [text for _, text in found if receiver.address in text]
    shipped = all("soltrace ship" in text for text in sending)  # a log holds no metrics
    assert receiver.signals == (
        ({"traces", "logs"} if shipped else {"traces", "metrics", "logs"}) if sending else set()
    )
