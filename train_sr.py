"""Train a super-resolution network: `python train_sr.py -opt options/swinir_amo.yml`."""

import sys

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()  # before torch is imported, and so in every spawned loader worker too

from iqa_sr.cli.train import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
