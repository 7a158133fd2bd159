"""What is made from the code says everything, and what is kept in the repository is up to date."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

import soltrace
from docs.generated import architecture, commands, ideas, records, signals
from soltrace import cli, testing
from soltrace.wire import schema
from soltrace.wire.verdicts import VerdictKind
from tests.docs.pages import ROOT

REFERENCE = ROOT / "docs" / "reference"


def text(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


def documented() -> set[str]:
    """The names that a page of the reference takes from the docstrings."""
    pages = "".join(page.read_text(encoding="utf-8") for page in sorted(REFERENCE.glob("*.md")))
    return set(re.findall(r"^\.\. (?:auto\w+|py:data):: (soltrace\.[\w.]+)", pages, re.MULTILINE))


def test_every_public_name_is_in_the_reference():
    """And each of `soltrace.testing`'s, and none that is not public."""
    own = {name for name, value in vars(testing).items() if getattr(value, "__module__", "") == testing.__name__}
    constants = {name for name in vars(testing) if name.isupper() and f"{name}: Final" in source(testing)}
    of_testing = {f"soltrace.testing.{name}" for name in own | constants}
    assert documented() == {f"soltrace.{name}" for name in soltrace.__all__} | of_testing


def source(module) -> str:
    return Path(module.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_option_is_in_the_reference(name, capsys):
    """Of what `--help` says; the parser of `soltrace run` leaves some to the program."""
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    section = commands.page().partition(f"## `soltrace {name}`")[2].partition("\n## `")[0]
    options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", capsys.readouterr().out, re.MULTILINE))
    assert {option for option in options if f"`{option}`" not in section} == set()
    assert options


def test_every_verdict_is_in_the_reference():
    """In the order in which they are said."""
    assert re.findall(r"^\| `(\w+)` \|", text("verdicts.md"), re.MULTILINE) == list(get_args(VerdictKind))


def test_every_record_and_field_is_in_the_reference():
    """Of those that the schema of the log has."""
    sections = {part.partition("\n")[0]: part for part in records.page().split("## ")}
    on_all = fields(sections[records.ON_EVERY_LINE])
    on_a_pass = fields(sections[records.OF_A_PASS])
    for definition in schema.schema()["$defs"].values():
        properties = set(definition["properties"])
        if "event" in properties:
            section = sections[f"`{definition['properties']['event']['enum'][0]}`"]
            of_a_pass = on_a_pass if "On every line of a pass" in section or "pass_id" in properties else set()
            # On a line, the names of the context are keys of their own.
            assert fields(section) | on_all | of_a_pass == properties | {"context"}


def fields(section: str) -> set[str]:
    return set(re.findall(r"^\| `(\w+)` ", section, re.MULTILINE))


def test_every_metric_is_in_the_reference():
    """What is made is what has a name on the wire, and each says by which attributes it is counted."""
    made = {instrument.name for instrument in signals.instruments()}
    assert made == set(signals.attributes_of_metrics())
    assert {name for name in made if f"`{name}` — " not in signals.metrics()} == set()


def test_every_variable_of_ours_is_in_the_reference():
    """Of those that the source names."""
    named = {name for file in architecture.FILES for name in re.findall(r"SOLTRACE_[A-Z_]+", file.read_text())}
    assert {name for name in named if f"`{name}=" not in text("settings.md")} == set()


def test_no_import_runs_upwards():
    """Each arrow of the drawing leads to a room further down."""
    assert architecture.upwards(architecture.edges()) == []


def test_an_upward_import_would_be_found():
    """An arrow to a room above, and one from a room to itself."""
    found = {room: set() for room in architecture.ROOMS} | {"wire": {"host"}, "host": {"wire"}}
    assert architecture.upwards(found) == [("wire", "host")]


@pytest.mark.parametrize("name", ideas.DRAWINGS)
def test_pictures_are_up_to_date(name):
    """`python -m docs.generated.ideas` draws them."""
    assert (ideas.PICTURES / f"{name}.svg").read_text(encoding="utf-8") == ideas.DRAWINGS[name]()


def test_the_architecture_is_up_to_date():
    """`python -m docs.generated.architecture` writes it."""
    found = architecture.edges()
    assert architecture.PAGE.read_text(encoding="utf-8") == architecture.page(found)
    assert architecture.PICTURE.read_text(encoding="utf-8") == architecture.picture(found)


def test_costs_are_included_and_not_copied():
    """The figures stand in files that benchmarks write."""
    page = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    assert "../benchmarks/results.md" in page
    assert "../benchmarks/loops.md" in page
    assert json.dumps(page).count("TqdmProgressMeter") == 0
