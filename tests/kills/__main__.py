"""`make kills`: processes killed at random times, and what their logs hold then. See `tests.kills.kills`."""

import sys

from tests.kills.kills import main

sys.exit(main(sys.argv[1:]))
