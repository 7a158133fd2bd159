"""Which version of a package there is, also where a program was bundled without what installers note of packages.

Any side. PyInstaller, Bazel and others bundle the modules alone, as a rule.
"""

import sys
from importlib import metadata


def package_version(package: str) -> str | None:
    """Find it by the package's metadata, or else by its module, if that is imported; None where neither says it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        version = getattr(sys.modules.get(package), "__version__", None)
        return version if isinstance(version, str) else None
