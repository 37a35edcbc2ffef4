"""``python -m headway`` is the ``headway`` command, for where scripts are not on the PATH."""

import sys

from headway.cli import main

sys.exit(main())
