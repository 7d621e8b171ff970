"""``python -m lowprec``: train, predict and inspect, on files."""

import sys

from lowprec.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
