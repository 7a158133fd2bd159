"""dashboards/alerts.yml, tried by Prometheus' own tool."""

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.stack.servers import program

pytestmark = pytest.mark.servers

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
RULES = [rule for group in YAML(typ="safe").load(DASHBOARDS / "alerts.yml")["groups"] for rule in group["rules"]]
TESTS = YAML(typ="safe").load(DASHBOARDS / "alerts_test.yml")["tests"]


def promtool(*arguments):
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=DASHBOARDS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_are_valid():
    """Prometheus takes them, and none is there twice."""
    promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml")


def test_alerts_fire_and_are_quiet():
    """Each with the whole of what it says, at the time when it says it."""
    promtool("test", "rules", "alerts_test.yml")


def test_every_alert_is_tried_both_ways():
    """Firing and quiet: one that always fires would pass half of the tests."""
    tried = {
        rule["alert"]: {
            bool(asked["exp_alerts"])
            for test in TESTS
            for asked in test["alert_rule_test"]
            if asked["alertname"] == rule["alert"]
        }
        for rule in RULES
    }
    assert tried == {rule["alert"]: {True, False} for rule in RULES}


def test_every_alert_says_what_to_do():
    """Who is woken by it knows what happened, to what, how bad it is, and what to do."""
    said = {rule["alert"]: (set(rule["annotations"]), set(rule["labels"])) for rule in RULES}
    assert said == {rule["alert"]: ({"summary", "description", "runbook", "dashboard"}, {"severity"}) for rule in RULES}
    assert [rule["alert"] for rule in RULES if "{{" not in rule["annotations"]["description"]] == []
