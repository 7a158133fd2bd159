"""The sources of the diffrax that is installed, with its tests and examples: fetched once, pinned by their commit."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

REPOSITORY: Final = "https://github.com/patrick-kidger/diffrax"
COMMITS: Final = {"0.7.2": "b3a188513f91d2969746e92f2b352f04763ed80f"}
"""The commit of each version whose tests and examples have been tried."""


def checkout() -> Path:
    """Find the sources: where SOLTRACE_DIFFRAX_DIR says, or else in the cache, fetched if they are not there."""
    if given := os.environ.get("SOLTRACE_DIFFRAX_DIR"):
        return Path(given).resolve()
    installed = version("diffrax")
    if installed not in COMMITS:
        sys.exit(f"diffrax {installed}: not tried yet; add its commit to {__file__}, or set SOLTRACE_DIFFRAX_DIR")
    place = Path.home() / ".cache" / "soltrace" / f"diffrax-{installed}"
    if not place.exists():
        half = place.with_suffix(".half")
        git = lambda *words: subprocess.run(["git", *words], check=True)  # noqa: S607 - whichever is on the path
        git("clone", "--quiet", "--filter=blob:none", "--no-checkout", REPOSITORY, str(half))
        git("-C", str(half), "checkout", "--quiet", COMMITS[installed])
        half.rename(place)
    return place
