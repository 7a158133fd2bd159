"""Which versions of jax, diffrax and equinox can be traced, and what is said of another.

Traced side, when the room is imported. It stands on parts of them that are not public: with a version that is too old
or too new, an import fails somewhere inside, in words that help nobody.
"""

from collections.abc import Callable, Mapping
from typing import Final

from soltrace.errors import VersionError
from soltrace.wire.package_version import package_version

OLDEST: Final[Mapping[str, str]] = {"jax": "0.10.2", "diffrax": "0.7.2", "equinox": "0.13.8"}
"""As in pyproject.toml; what was installed otherwise than by pip may not have asked there."""
TESTED: Final[Mapping[str, str]] = {"jax": "0.12", "diffrax": "0.7", "equinox": "0.13"}
"""The newest minor versions that the tests have run with."""


def require(version_of: Callable[[str], str | None] = package_version) -> None:
    """Refuse what is too old.

    Args:
        version_of: Says which version of a package is installed; None: not known, and it is tried.

    Raises:
        soltrace.errors.VersionError: jax, diffrax or equinox is older than it may be.
    """
    for package, oldest in OLDEST.items():
        version = version_of(package)
        if version is not None and _numbers(version) < _numbers(oldest):
            raise VersionError(
                f"soltrace needs {package} {oldest} or newer, and {version} is installed: "
                f"pip install --upgrade '{package}>={oldest}'"
            )


def explain(error: Exception, version_of: Callable[[str], str | None] = package_version) -> Exception:
    """Say of an import that failed whether a library is newer than any that was tested; if none is, return it as it is.

    Args:
        error: Why it failed.
        version_of: Says which version of a package is installed.
    """
    newer = [
        f"{package} {version} (tested: up to {tested})"
        for package, tested in TESTED.items()
        if (version := version_of(package)) is not None and _numbers(version)[:2] > _numbers(tested)
    ]
    if not newer:
        return error
    upper = ", ".join(f"'{package}<={tested}.999'" for package, tested in TESTED.items())
    return VersionError(
        f"this soltrace does not work with {' and '.join(newer)}: {error}. "
        f"Upgrade soltrace, or install what it was tested with: {upper}"
    )


def _numbers(version: str) -> tuple[int, ...]:
    """Make a version comparable: the numbers that it begins with."""
    numbers: list[int] = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)
