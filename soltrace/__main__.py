"""`python -m soltrace`."""

from soltrace.cli import main

raise SystemExit(main())
