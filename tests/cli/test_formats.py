import json
import tomllib
from importlib import resources
from pathlib import Path

import pytest

SHIPPED = {name: resources.files("soltrace").joinpath("formats", name).read_text() for name in ("lnav.json", "hl.toml")}


@pytest.mark.parametrize("viewer,name", [("lnav", "lnav.json"), ("hl", "hl.toml")])
def test_printed(soltrace, tmp_path, viewer, name):
    """As it is shipped, and nothing is installed."""
    status, out, err = soltrace.run("formats", viewer, "--print", HOME=str(tmp_path))
    assert (status, "\n".join(out) + "\n", err) == (0, SHIPPED[name], [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "viewer,there,environ,target",
    [
        ("lnav", ".lnav", {}, ".lnav/formats/installed/soltrace.json"),
        ("lnav", ".config", {}, ".config/lnav/formats/installed/soltrace.json"),
        ("lnav", "x", {"XDG_CONFIG_HOME": "x"}, "x/lnav/formats/installed/soltrace.json"),
        ("lnav", "y", {}, ".lnav/formats/installed/soltrace.json"),
        ("hl", "y", {}, ".config/hl/soltrace.toml"),
    ],
    ids=["lnav", "lnav in .config", "lnav by XDG", "new lnav", "hl"],
)
def test_installed(soltrace, tmp_path, viewer, there, environ, target):
    """Where the viewer looks for it; a second time does no harm."""
    (tmp_path / there).mkdir()
    environ = {name: str(tmp_path / value) for name, value in environ.items()}
    path = tmp_path / target
    for _ in range(2):
        assert soltrace.run("formats", viewer, HOME=str(tmp_path), **environ) == (0, [], [f"soltrace: wrote {path}"])
    assert path.read_text() == SHIPPED[Path(viewer).with_suffix(".json" if viewer == "lnav" else ".toml").name]


def test_what_is_shipped_is_well_formed():
    """As JSON and as TOML, with every field of the log known to lnav."""
    from soltrace.report.sql_columns import sql_columns

    known = json.loads(SHIPPED["lnav.json"])["soltrace_log"]["value"]
    assert set(sql_columns()) - set(known) == {"timestamp"}
    assert tomllib.loads(SHIPPED["hl.toml"])["fields"]["predefined"]["message"] == {"names": ["event"]}


def test_a_directory_that_cannot_be_made(soltrace, tmp_path):
    """Is named."""
    (tmp_path / ".lnav").mkdir()
    (tmp_path / ".lnav" / "formats").touch()
    target = tmp_path / ".lnav" / "formats" / "installed" / "soltrace.json"
    said = f"soltrace formats: cannot write {target}: Not a directory"
    assert soltrace.run("formats", "lnav", HOME=str(tmp_path)) == (2, [], [said])
