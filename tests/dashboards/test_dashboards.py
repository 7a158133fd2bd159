"""The Grafana dashboards as they are committed. Whether their queries find anything: tests/stack/test_dashboards.py."""

import filecmp
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from soltrace.wire import names

ROOT = Path(__file__).parents[2]
DIRECTORY = ROOT / "dashboards" / "grafana" / "dashboards"
FILES = sorted(DIRECTORY.glob("*.json"))
PAGES = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in FILES}
TEXT = {"logs", "table", "traces"}
"""Kinds of panels that are not one number over and over."""
SOURCES = {
    ("prometheus", "${prometheus}"): "prometheus",
    ("victoriametrics-logs-datasource", "${logs}"): "victorialogs",
    ("jaeger", "${traces}"): "jaeger",
}
"""Each data source of a panel: a variable; and the uid that Grafana's provisioning gives to what it stands for."""
UNITS = {
    names.METRIC_COMPILE_DURATION: "_seconds",
    names.METRIC_PASS_DURATION: "_seconds",
    names.METRIC_PASS_ETA: "_seconds",
    names.METRIC_PASS_PROGRESS: "_ratio",
}
"""What Prometheus puts behind their names."""


def panels(page):
    """All but the titles of sections."""
    return [panel for panel in page["panels"] if panel["type"] != "row"]


def each_panel():
    return [pytest.param(panel, id=f"{uid}: {panel['title']}") for uid, page in PAGES.items() for panel in panels(page)]


def links(value):
    """Every address anywhere in a page."""
    if isinstance(value, dict):
        yield from ([value["url"]] if isinstance(value.get("url"), str) else [])
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from links(item)


def test_they_are_what_the_generator_writes(tmp_path):
    """Nobody edits the files, and nobody forgets to write them."""
    subprocess.run([sys.executable, ROOT / "dashboards" / "generate.py", tmp_path], check=True)
    written = sorted(file.name for file in tmp_path.iterdir())
    assert written == [file.name for file in FILES]
    assert filecmp.cmpfiles(DIRECTORY, tmp_path, written, shallow=False) == (written, [], [])


def test_there_are_five():
    """Their uids are part of addresses that people keep, and the file is called as the page is."""
    assert {uid: page["title"] for uid, page in PAGES.items()} == {
        "soltrace-cost": "soltrace: cost",
        "soltrace-experiments": "soltrace: experiments",
        "soltrace-health": "soltrace: its own health",
        "soltrace-pass": "soltrace: a pass",
        "soltrace-runs": "soltrace: runs",
    }
    assert [page["uid"] for page in PAGES.values()] == list(PAGES)


@pytest.mark.parametrize("uid", PAGES)
def test_a_page_refreshes_itself_and_leads_to_the_others(uid):
    """It shows what goes on now, and what is chosen goes with who leaves it for another one."""
    page = PAGES[uid]
    assert (page["refresh"], page["time"], page["tags"]) == ("10s", {"from": "now-1h", "to": "now"}, ["soltrace"])
    (link,) = page["links"]
    assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == (
        "dashboards",
        ["soltrace"],
        True,
        True,
    )


@pytest.mark.parametrize("panel", each_panel())
def test_a_panel_explains_itself(panel):
    """A title, a sentence, and units where there are numbers."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["type"] in TEXT or panel["fieldConfig"]["defaults"].get("unit")


@pytest.mark.parametrize("panel", [case for case in each_panel() if case.values[0]["type"] == "table"])
def test_numbers_in_tables_have_units(panel):
    """A column of a table that is an expression or a measure has one; what is text has none."""
    units = {
        column["matcher"]["options"]
        for column in panel.get("fieldConfig", {}).get("overrides", [])
        if "unit" in {change["id"] for change in column["properties"]}
    }
    steps = {step["id"]: step["options"] for step in panel.get("transformations", [])}
    expressions = {name for key, name in steps.get("organize", {}).get("renameByName", {}).items() if "#" in key}
    numbers = {change["targetField"] for change in steps.get("convertFieldType", {}).get("conversions", [])}
    assert units == expressions | numbers


@pytest.mark.parametrize("panel", each_panel())
def test_a_panel_asks_one_data_source(panel):
    """One of those that docker-compose.yml has, and each of its queries has a name of its own."""
    asked = [target["datasource"] for target in panel["targets"]]
    assert [(source["type"], source["uid"]) for source in asked if (source["type"], source["uid"]) not in SOURCES] == []
    assert asked == [panel["datasource"]] * len(asked)
    assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH"[: len(asked)])


@pytest.mark.parametrize("uid", PAGES)
def test_panels_do_not_overlap(uid):
    """Each is on the page, and each place is taken once."""
    places = [panel["gridPos"] for panel in PAGES[uid]["panels"]]
    cells = [
        (x, y)
        for place in places
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]
    assert len(cells) == len(set(cells))
    assert {x for x, _ in cells} == set(range(24))
    assert {y for _, y in cells} == set(range(max(y for _, y in cells) + 1))
    numbers = [panel["id"] for panel in PAGES[uid]["panels"]]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("uid", PAGES)
def test_every_variable_is_there_and_is_used(uid):
    """What a query stands on can be chosen, and what can be chosen changes something."""
    page = PAGES[uid]
    variables = {variable["name"] for variable in page["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps([page["panels"], page["templating"]])))
    assert used - variables == set()
    assert variables - used == set()


@pytest.mark.parametrize("uid", PAGES)
def test_data_sources_are_those_of_provisioning(uid):
    """Each page begins with the ones of docker-compose.yml, and takes others of the same type elsewhere."""
    variables = PAGES[uid]["templating"]["list"]
    assert {
        (variable["query"], f"${{{variable['name']}}}"): variable["current"]["value"]
        for variable in variables
        if variable["type"] == "datasource"
    } == SOURCES


@pytest.mark.parametrize("uid", PAGES)
def test_experiment_and_phase_are_all_or_any(uid):
    """All of them at first, also passes that belong to no experiment; or any number."""
    choices = [variable for variable in PAGES[uid]["templating"]["list"] if variable["name"] in {"experiment", "phase"}]
    assert [(choice["multi"], choice["includeAll"], choice["allValue"]) for choice in choices] == [
        (True, True, ".*") for _ in choices
    ]
    assert [choice["name"] for choice in choices] == ([] if uid == "soltrace-health" else ["experiment", "phase"])


@pytest.mark.parametrize("uid", PAGES)
def test_links_lead_somewhere(uid):
    """To a page that there is, with a variable that it has; or to Grafana's own page of a trace."""
    for url in links(PAGES[uid]["panels"]):
        page = re.match(r"/d/([a-z-]+)\?", url)
        if page is None:
            assert url.startswith("/explore?schemaVersion=1&panes=%7B%22trace%22")
            continue
        there = {variable["name"] for variable in PAGES[page[1]]["templating"]["list"]}
        assert (
            set(re.findall(r"var-(\w+)=|\$\{(?!__)(\w+):", url)) - {(n, "") for n in there} - {("", n) for n in there}
            == set()
        )


def test_alerts_lead_to_pages():
    """Who is woken by an alert finds the page that it names."""
    alerts = (ROOT / "dashboards" / "alerts.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"/d/([a-z-]+)", alerts)) <= set(PAGES)


def test_metrics_are_those_of_the_contract():
    """Nothing is asked that soltrace does not tell, and every metric is on some page."""
    queries = [
        target["expr"]
        for page in PAGES.values()
        for panel in panels(page)
        for target in panel["targets"]
        if "expr" in target
    ]
    promql = [re.sub(r"\{[^}]*\}|by \([^)]*\)", "", query) for query in queries if "soltrace." not in query]
    asked = {name for query in promql for name in re.findall(r"\bsoltrace_[a-z_]+", query)}
    told = {metric.replace(".", "_") + UNITS.get(metric, "") for metric in names.METRICS}
    assert {re.sub("_(total|bucket|count|sum)$", "", name) for name in asked} == told
