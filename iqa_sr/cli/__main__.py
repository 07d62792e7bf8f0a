"""`python -m iqa_sr.cli`, which imports nothing from the working folder, where `python -m` looks first."""

import sys

from iqa_sr.runtime.new_process import import_folders

sys.path[:] = import_folders()

from iqa_sr.cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
