"""What HTCondor says of a job, in a file: the job's ClassAd, as it was when the job was started.

Any side. A job sees its number nowhere else, unless its submit file puts that into the environment.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_FILE: Final = "_CONDOR_JOB_AD"
_BYTES_AT_MOST: Final = 1 << 20
"""It has the environment and the arguments of the job in it, and is some ten kilobytes long."""
_LINE: Final = re.compile(
    r'^(ClusterId|ProcId|NumJobStarts|TotalSubmitProcs|GlobalJobId) = "?([^"\n]*)"?$', re.MULTILINE
)
SUBMITTED_FROM: Final = "SubmittedFrom"
"""Where the queue of the job is: in front of its global id. Numbers are told apart by that."""


def with_job_ad(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment, with what the job's ad says of its number; without that where it can't be read."""
    found: dict[str, str] = {}
    with suppress(OSError, ValueError), Path(environ.get(_FILE, "")).open("rb") as file:
        found = dict(_LINE.findall(file.read(_BYTES_AT_MOST).decode(errors="replace")))
    return {**environ, **found, SUBMITTED_FROM: found.get("GlobalJobId", "").partition("#")[0]}
