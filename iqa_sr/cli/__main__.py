"""`python -m iqa_sr.cli`."""

import sys

from iqa_sr.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
