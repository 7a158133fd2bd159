"""Say clearly when the interpreter is too old. Kept free of newer syntax, so that an old one can say it."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is the check
    sys.exit(
        "soltrace needs Python 3.11 or newer; {} is {}.{}.\nChoose another: make PYTHON=python3.12 ...".format(  # noqa: UP032
            sys.executable, sys.version_info[0], sys.version_info[1]
        )
    )
