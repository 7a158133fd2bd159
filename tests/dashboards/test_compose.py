"""docker-compose.yml and the configuration that it mounts. No engine runs here: these are checks of what they say.

What the configuration does is tested in tests/stack/, by the same servers in the same versions.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.stack.servers import program

ROOT = Path(__file__).parents[2]
DASHBOARDS = ROOT / "dashboards"
COMPOSE = YAML(typ="safe").load(ROOT / "docker-compose.yml")
SERVICES = COMPOSE["services"]
COLLECTOR = YAML(typ="safe").load(DASHBOARDS / "otelcol.yaml")
PROVISIONING = DASHBOARDS / "grafana" / "provisioning"
DATASOURCES = YAML(typ="safe").load(PROVISIONING / "datasources" / "soltrace.yaml")["datasources"]


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def pinned(server, module):
    """The version of a module in the go.mod that the tested server is built from."""
    text = (ROOT / "scripts" / "servers" / server / "go.mod").read_text()
    (version,) = re.findall(rf"^\s*{re.escape(module)} v(\S+)", text, re.MULTILINE)
    return version


def test_the_compose_file_satisfies_the_specification():
    """It satisfies the schema of the compose specification."""
    done = run(
        sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.servers
@pytest.mark.parametrize(
    ("directory", "mounted"),
    [(None, ROOT / "soltrace-runs"), ("./runs", ROOT / "runs"), ("/scratch/me", "/scratch/me")],
)
def test_docker_compose_takes_the_file(directory, mounted):
    """docker-compose itself finds nothing wrong with it, wherever the runs' logs are."""
    environment = {name: value for name, value in os.environ.items() if name != "SOLTRACE_DIR"}
    environment |= {"SOLTRACE_DIR": directory} if directory else {}
    command = ["docker-compose", "-f", "docker-compose.yml", "config"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{mounted}:/var/log/soltrace:ro" in YAML(typ="safe").load(done.stdout)["services"]["collector"]["volumes"]


def test_the_images_are_the_tested_versions():
    """A tag names a release, and the servers of the tests are built from the same releases."""
    major, minor, patch = pinned("prometheus", "github.com/prometheus/prometheus").split(".")
    assert major == "0"  # v3.16.0 is the module's 0.316.0
    prometheus = f"{minor[0]}.{int(minor[1:])}.{patch}"
    assert pinned("jaeger", "github.com/jaegertracing/jaeger") == "1.76.0"  # released together with 2.13.0
    collector = pinned("otelcol", "go.opentelemetry.io/collector/otelcol")
    victoria_logs = pinned("victoria-logs", "github.com/VictoriaMetrics/VictoriaLogs")
    assert {name: service["image"] for name, service in SERVICES.items()} == {
        "collector": f"otel/opentelemetry-collector-contrib:{collector}",
        "grafana": "grafana/grafana:12.3.1",
        "health": "busybox:1.37.0",
        "jaeger": "jaegertracing/jaeger:2.13.0",
        "prometheus": f"prom/prometheus:v{prometheus}",
        "victorialogs": f"victoriametrics/victoria-logs:v{victoria_logs}",
    }
    assert SERVICES["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"] == "victoriametrics-logs-datasource@0.24.1"


def test_nothing_listens_beyond_localhost():
    """A laptop in a café publishes nothing."""
    assert {name: service.get("ports", []) for name, service in SERVICES.items()} == {
        "collector": ["127.0.0.1:4317:4317", "127.0.0.1:4318:4318"],
        "grafana": ["127.0.0.1:3000:3000"],
        "health": [],
        "jaeger": ["127.0.0.1:16686:16686"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "victorialogs": ["127.0.0.1:9428:9428"],
    }


def test_grafana_has_no_password_to_guess():
    """Nobody is an administrator, nobody can log in, and who looks is no more than an editor."""
    environment = SERVICES["grafana"]["environment"]
    assert {name: value for name, value in environment.items() if "AUTH" in name or "ADMIN" in name} == {
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Editor",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_AUTH_BASIC_ENABLED": "false",
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_held_in_bounds(name):
    """None takes the machine's memory or processors, none keeps a capability, none fills the disk with its own log."""
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["cpus"] <= 1
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert service["restart"] == "unless-stopped"


def test_every_service_is_waited_for():
    """Each has a health check, or the container `health` asks for it; so `up --wait` means what it says."""
    own = {name for name, service in SERVICES.items() if "healthcheck" in service}
    (_, probe) = SERVICES["health"]["healthcheck"]["test"]
    asked = set(re.findall(r"http://(\w+):", probe))
    assert (own, asked) == ({"grafana", "health", "jaeger", "prometheus"}, {"collector", "victorialogs"})
    assert asked <= set(SERVICES["health"]["depends_on"])


def test_nobody_waits_for_a_health_that_is_never_told():
    """`service_healthy` is asked only of services with a health check."""
    waited_for = {
        other
        for service in SERVICES.values()
        if isinstance(depends := service.get("depends_on", {}), dict)
        for other, how in depends.items()
        if how["condition"] == "service_healthy"
    }
    assert {name for name in waited_for if "healthcheck" not in SERVICES[name]} == set()


def test_everything_that_is_mounted_exists():
    """Docker would make a missing file as an empty directory of root's, and the server would not start."""
    mounted = [volume.split(":") for service in SERVICES.values() for volume in service.get("volumes", [])]
    named = {source for source, *_ in mounted if source in COMPOSE["volumes"]}
    files = {source for source, *_ in mounted if source.startswith("./")}
    assert named == set(COMPOSE["volumes"])
    assert {source for source in files if not (ROOT / source).exists()} == set()
    assert (ROOT / "soltrace-runs" / ".gitkeep").exists()  # in a fresh clone too


def test_what_is_mounted_from_here_is_not_written_to():
    """No server changes a file of the repository, or of a run."""
    mounts = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    writable = {mount.partition(":")[0] for mount in mounts if not mount.endswith(":ro")}
    assert writable == set(COMPOSE["volumes"])


@pytest.mark.servers
def test_the_collector_takes_its_configuration():
    """Its own check finds nothing wrong."""
    done = run(program("otelcol"), "validate", "--config", DASHBOARDS / "otelcol.yaml")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.servers
def test_jaeger_takes_its_configuration():
    """Its own check finds nothing wrong."""
    done = run(program("jaeger"), "validate", "--config", DASHBOARDS / "jaeger.yaml")
    assert (done.returncode, "Error" in done.stdout + done.stderr) == (0, False)


@pytest.mark.servers
def test_prometheus_takes_its_configuration():
    """promtool finds nothing wrong, in the rules that it names neither."""
    done = run(program("promtool"), "check", "config", "--lint=all", "--lint-fatal", DASHBOARDS / "prometheus.yml")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_collector_listens_where_the_compose_file_looks():
    """The defaults of its addresses are the ports that are published, and the names of the services."""
    text = (DASHBOARDS / "otelcol.yaml").read_text()
    assert dict(re.findall(r"\$\{env:(\w+):-([^}]*)\}", text)) == {
        "OTELCOL_FILES_SERVICE": "soltrace",
        "OTELCOL_GRPC": "0.0.0.0:4317",
        "OTELCOL_HEALTH": "0.0.0.0:13133",
        "OTELCOL_HTTP": "0.0.0.0:4318",
        "OTELCOL_LOGS": "/var/log/soltrace",
        "OTELCOL_SPAN_METRICS_INTERVAL": "5s",
        "OTELCOL_STATE": "/var/lib/otelcol",
        "OTELCOL_TO_JAEGER": "jaeger:4317",
        "OTELCOL_TO_PROMETHEUS": "http://prometheus:9090",
        "OTELCOL_TO_VICTORIALOGS": "http://victorialogs:9428",
    }
    mounts = [volume.split(":")[-2:] for volume in SERVICES["collector"]["volumes"]]
    assert {"/var/log/soltrace", "/var/lib/otelcol"} <= {place for mount in mounts for place in mount}


def test_every_part_of_the_collector_is_used():
    """What is defined is part of a pipeline, so that nothing is thought to work that does not run."""
    pipelines = COLLECTOR["service"]["pipelines"].values()
    used = {
        kind: {name for pipeline in pipelines for name in pipeline.get(kind, [])}
        for kind in ("receivers", "processors", "exporters")
    }
    connectors = set(COLLECTOR["connectors"])
    assert used["receivers"] == set(COLLECTOR["receivers"]) | connectors
    assert used["processors"] == set(COLLECTOR["processors"])
    assert used["exporters"] == set(COLLECTOR["exporters"]) | connectors
    assert COLLECTOR["service"]["extensions"] == list(COLLECTOR["extensions"])


def test_metrics_have_one_way_into_prometheus():
    """Nothing is scraped that also comes over OTLP: every series would be there twice."""
    prometheus = YAML(typ="safe").load(DASHBOARDS / "prometheus.yml")
    assert "scrape_configs" not in prometheus
    assert [name for name in COLLECTOR["exporters"] if "prometheus" in name] == ["otlp_http/prometheus"]


def test_the_data_sources_are_the_services():
    """The dashboards name them by these uids, and each is where its service listens."""
    assert {source["uid"]: (source["type"], source["url"]) for source in DATASOURCES} == {
        "jaeger": ("jaeger", "http://jaeger:16686"),
        "prometheus": ("prometheus", "http://prometheus:9090"),
        "victorialogs": ("victoriametrics-logs-datasource", "http://victorialogs:9428"),
    }


def test_one_signal_leads_to_another():
    """An exemplar to its trace, a trace to its logs and metrics, a line to its trace: all to sources that there are."""

    def leads(part):
        """The uids that stand anywhere in it."""
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        here = [part["datasourceUid"]] if isinstance(part, dict) and "datasourceUid" in part else []
        return here + [uid for one in inner for uid in leads(one)]

    assert {source["uid"]: sorted(leads(source["jsonData"])) for source in DATASOURCES} == {
        "jaeger": ["prometheus", "victorialogs"],
        "prometheus": ["jaeger"],
        "victorialogs": ["jaeger"],
    }


def test_variables_of_the_links_are_left_to_grafana():
    """Grafana replaces `$name` in provisioning files by the environment: what it is to replace later has two."""
    text = (PROVISIONING / "datasources" / "soltrace.yaml").read_text()
    code = re.sub(r"#.*", "", text)
    assert re.findall(r"(?<!\$)\$(?!\$)\S*", code) == []


def test_the_dashboards_are_where_grafana_looks():
    """The directory of the provider is the one that is mounted, and so is the first page."""
    (provider,) = YAML(typ="safe").load(PROVISIONING / "dashboards" / "soltrace.yaml")["providers"]
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    assert mounts["./dashboards/grafana/dashboards"] == provider["options"]["path"] == "/etc/grafana/dashboards"
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (DASHBOARDS / "grafana" / "dashboards" / home.name).is_file()
