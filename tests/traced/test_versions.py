"""Libraries that are too old or too new are named, with what to do about it."""

import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from soltrace.errors import VersionError
from soltrace.traced.versions import OLDEST, TESTED, explain, require

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NEWEST = {"jax": "0.12.0.1", "diffrax": "0.7.2", "equinox": "0.13.8"}


def test_the_bounds_are_those_of_the_package() -> None:
    """Who installs with pip is told by pip; the room says the same."""
    requirements = map(Requirement, PYPROJECT["project"]["dependencies"])
    assert {each.name: str(each.specifier) for each in requirements if each.name in OLDEST} == {
        package: f">={oldest}" for package, oldest in OLDEST.items()
    }


def test_the_constraints_are_of_versions_that_count_as_tested() -> None:
    """Whoever raises a pin to a new minor version says so here too."""
    pins = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"]
    newest = {pin.name: str(pin.specifier).removeprefix("==") for pin in pins if pin.name in TESTED}
    assert {package: ".".join(version.split(".")[:2]) for package, version in newest.items()} == TESTED


@pytest.mark.parametrize("version", ["0.10.2", "0.11.0", "0.12.0.1", "0.13.0.dev20270101", "1.0"])
def test_what_is_new_enough_passes(version: str) -> None:
    """Development versions too."""
    require((NEWEST | {"jax": version}).__getitem__)


@pytest.mark.parametrize("version", ["0.10.0", "0.9.2", "0.4.38"])
def test_what_is_too_old_is_refused(version: str) -> None:
    """With what is needed, what is there and how to mend it."""
    with pytest.raises(VersionError) as caught:
        require((NEWEST | {"jax": version}).__getitem__)
    assert str(caught.value) == (
        f"soltrace needs jax 0.10.2 or newer, and {version} is installed: pip install --upgrade 'jax>=0.10.2'"
    )


def test_what_is_too_new_is_named() -> None:
    """Only where an import has failed: a newer version that works is nobody's business."""
    error = ImportError("cannot import name 'Primitive' from 'jax.extend.core'")
    explained = explain(error, (NEWEST | {"jax": "0.14.1"}).__getitem__)
    assert str(explained) == (
        "this soltrace does not work with jax 0.14.1 (tested: up to 0.12): "
        "cannot import name 'Primitive' from 'jax.extend.core'. "
        "Upgrade soltrace, or install what it was tested with: 'jax<=0.12.999', 'diffrax<=0.7.999', 'equinox<=0.13.999'"
    )
    assert isinstance(explained, VersionError)
    assert explain(error, NEWEST.__getitem__) is error


def test_a_user_sees_it() -> None:
    """Whoever asks for a solve that reports, from a diffrax that has lost what the room needs."""
    program = (
        "import importlib.metadata as m; real = m.version\n"
        "m.version = lambda name: '0.9.0' if name == 'diffrax' else real(name)\n"
        "import diffrax; del diffrax.AbstractAdjoint\n"
        "import soltrace; soltrace.diffeqsolve"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "soltrace.errors.VersionError: this soltrace does not work with diffrax 0.9.0 (tested: up to 0.7): "
        "module 'diffrax' has no attribute 'AbstractAdjoint'. Upgrade soltrace, or install what it was tested with: "
        "'jax<=0.12.999', 'diffrax<=0.7.999', 'equinox<=0.13.999'"
    )


def test_a_version_that_is_not_known_is_tried() -> None:
    """And nothing is said of it where that fails."""
    require(lambda _: None)
    error = ImportError("cannot import name 'Primitive' from 'jax.extend.core'")
    assert explain(error, lambda _: None) is error


def test_a_program_that_was_bundled_without_metadata_is_traced(tmp_path: Path) -> None:
    """As by PyInstaller. What its modules say of their versions counts, and is in the log."""
    program = (
        "import importlib.metadata as m, sys; real = m.version\n"
        "def version(name):\n"
        "    if name in {'jax', 'jaxlib', 'soltrace'}: raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version\n"
        "import soltrace; soltrace.configure(directory=sys.argv[1])\n"
        "with soltrace.experiment('bundled'):\n"
        "    import diffrax\n"
        "    term = diffrax.ODETerm(lambda t, y, args: -y)\n"
        "    soltrace.diffeqsolve(term, diffrax.Euler(), 0.0, 1.0, 0.5, 1.0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=120)
    (log,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (later,) = [line["resource"] for line in lines if line["event"] == "log.resource"]
    expected = {package: metadata.version(package) for package in ("soltrace", "jax", "jaxlib", "diffrax")}
    assert {package: later[package] for package in expected} == expected
    assert [line["status"] for line in lines if line["event"] == "pass.ended"] == ["ok"]
