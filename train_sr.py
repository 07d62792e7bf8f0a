"""Train a super-resolution network: `python train_sr.py -opt options/swinir_amo.yml`."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - told before anything is imported that older ones cannot read
    sys.exit("iqa_sr needs Python 3.10 or newer; this is {}.{}, {}".format(*sys.version_info[:2], sys.executable))

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()  # before torch is imported, and so in every spawned loader worker too

from iqa_sr.cli.train import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
