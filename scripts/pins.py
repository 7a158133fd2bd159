"""Write constraints.txt and constraints-oldest.txt: exact versions of all that a development environment holds.

`constraints.txt` has the newest versions that pyproject.toml allows, as each Python that is there gets them: where they
differ, a line for each with a marker, and the newest Python speaks for those to come. `constraints-oldest.txt` has the
oldest that pyproject.toml allows a user to have, on the oldest Python. Nothing is installed: pip says what it would.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = "dev,demo,docs"

Versions = dict[str, str]
"""Of each package, by its normalized name."""


def main() -> None:
    """Resolve, and write both files."""
    supported = [
        classifier.rpartition(" ")[2]
        for classifier in PROJECT["classifiers"]
        if classifier.startswith("Programming Language :: Python :: 3.")
    ]
    pythons = {version: python for version in supported if (python := find_python(version))}
    oldest = next(iter(pythons))
    if oldest != supported[0]:
        sys.exit(f"The oldest Python that soltrace supports is missing: {supported[0]}")

    resolved = {version: resolve(python) for version, python in pythons.items()}
    write("constraints.txt", "the newest versions that pyproject.toml allows", with_markers(resolved))
    old = resolve(pythons[oldest], lower_bounds())
    write(
        "constraints-oldest.txt",
        f"the oldest versions that pyproject.toml allows, on Python {oldest}",
        (f"{name}=={old[name]}" for name in sorted(old)),
    )


def find_python(version: str) -> str | None:
    """Find an interpreter of a version."""
    found = subprocess.run([ROOT / "scripts" / "find_python.sh", version], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def resolve(python: str, constraints: str = "") -> Versions:
    """Ask pip which versions it would install into a fresh environment."""
    print(f"==> resolving with {python}{', oldest versions' if constraints else ''}", flush=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(constraints)
        file.flush()
        quiet = ["--quiet", "--disable-pip-version-check"]
        dry = ["--dry-run", "--ignore-installed", "--report", "-"]
        command = [python, "-m", "pip", "install", *quiet, *dry, "-c", file.name, f"{ROOT}[{EXTRAS}]"]
        report = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    found = {canonicalize_name(each["metadata"]["name"]): each["metadata"]["version"] for each in report["install"]}
    del found[PROJECT["name"]]
    return found


def lower_bounds() -> str:
    """List the oldest version of each package that soltrace itself or one of its extras for users names."""
    extras = PROJECT["optional-dependencies"]
    requirements = [
        *PROJECT["dependencies"],
        *(line for name, lines in extras.items() if name not in {"dev", "docs"} for line in lines),
    ]
    bounds: Versions = {}
    for requirement in map(Requirement, requirements):
        (bound,) = [specifier.version for specifier in requirement.specifier if specifier.operator == ">="]
        bounds[requirement.name] = bound
    return "".join(f"{name}=={bound}\n" for name, bound in bounds.items())


def with_markers(resolved: dict[str, Versions]) -> Iterator[str]:
    """Make one list of several: where versions differ, or a package is not for all, markers say for which Python."""
    pythons = list(resolved)
    for name in sorted(set().union(*resolved.values())):
        runs = [
            (version, list(run)) for version, run in groupby(pythons, key=lambda python: resolved[python].get(name))
        ]
        for version, run in runs:
            if version is not None:
                yield f"{name}=={version}{marker(run[0], run[-1], pythons)}"


def marker(first: str, last: str, pythons: list[str]) -> str:
    """Say for which Pythons: from one to another, without an end where there is none."""
    bounds = []
    if first != pythons[0]:
        bounds.append(f'python_version >= "{first}"')
    if last != pythons[-1]:
        bounds.append(f'python_version < "{pythons[pythons.index(last) + 1]}"')
    return f" ; {' and '.join(bounds)}" if bounds else ""


def write(name: str, what: str, lines: Iterator[str]) -> None:
    """Write one file."""
    text = "\n".join(lines)
    (ROOT / name).write_text(f"# Exact versions: {what}. Written by `make pins`.\n{text}\n", encoding="utf-8")
    print(f"==> {name}: {len(text.splitlines())} pins")


if __name__ == "__main__":
    main()
