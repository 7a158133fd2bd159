"""`make sweep`: random combinations, each compared with diffrax to the bit. See `tests.traced.sweep.sweep`."""

import sys

from tests.traced.sweep.sweep import main

sys.exit(main(sys.argv[1:]))
