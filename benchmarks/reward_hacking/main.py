"""Whether LoRA leaves less adversarial noise than full fine-tuning when both gain as much by the judge they optimise.

    python train_sr.py -opt options/swinir_amo.yml                     # makes the base
    python benchmarks/reward_hacking/main.py [--second-judge FILE] [--data FOLDER] [--base FILE]
        [--output DIR] [--quick]

From one base, each method (full fine-tuning; LoRA of several ranks) goes the same number of steps with
`L1 - lambda_Q * judge` by the training step of IQASRModel, with and without the defences of IQALoss (random views, and
no reward above the ground truth's own score). All runs of a seed see the same crops and ground truths in the same
order. Validation windows are measured after all steps, 0.71 of them, half of them and so on: the judge, judges that
were held out (NIQE, a second rankiqa network, whatever else has its weights here), noise and PSNR. Learning rates are
tuned for each method alone on two seeds that are not used again, without defences, at the largest lambda_Q.

Methods are compared where their judge gains are equal. Writes runs.csv (every run and look), table.md, plot.png,
strip.png and proof.png (both). Stopped and started again, it goes on after the last whole run.
"""

import argparse
import hashlib
import itertools
import json
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

from plots import draw_plot, draw_proof, draw_strip  # noqa: E402
from runs import DEFENCES, Bench, Key, Look, Setup, averaged_names, read_looks, write_looks  # noqa: E402
from tables import FULL, choose_rates, groups_of, report  # noqa: E402
from tqdm import tqdm  # noqa: E402

from iqa_sr.data.creation.sample_dataset import make_sample  # noqa: E402
from iqa_sr.training.launch import SAMPLE  # noqa: E402

TUNING_SEEDS = (9000, 9001)
QUICK = {
    "methods": [FULL, "lora-4"],
    "lambdas": [0.002],
    "seeds": 1,
    "steps": 8,
    "windows": 4,
    "rates_full": [3e-5],
    "rates_lora": [1e-3],
}


def main() -> None:
    chosen = read_arguments()
    check_files(chosen)
    output = Path(chosen.output)
    setup = setup_of(chosen)
    check_same_setup(output / "setup.json", setup)
    bench = Bench(setup)
    print(bench.describe())
    print(f"held-out judges: {', '.join(bench.averaged)}", flush=True)
    bench.write_references(output / "windows")
    looks = read_looks(output / "runs.csv")
    tuning = tuning_keys(chosen)
    planned = len(chosen.methods) * len(chosen.lambdas) * chosen.seeds * len(defences(chosen))
    done = {look.key for look in looks}
    steps = setup.steps * (len(set(tuning) - done) + planned - sum(key.phase == "final" for key in done))
    calm = 0.5 if sys.stderr.isatty() else 30  # s between two states of the bar
    with tqdm(total=steps, unit="step", smoothing=0.02, dynamic_ncols=True, mininterval=calm) as bar:
        looks = do_runs(bench, tuning, looks, output, bar, chosen)
        rates, why = choose_rates([look for look in looks if look.key in tuning], chosen.methods, chosen.reference_gain)
        bar.write(f"learning rates: {', '.join(f'{method} {rate:g}' for method, rate in rates.items())}")
        looks = do_runs(bench, final_keys(chosen, rates), looks, output, bar, chosen)
    wanted = set(final_keys(chosen, rates))
    groups = groups_of(look for look in looks if look.key in wanted)
    text = report(groups, introduction(chosen, setup, bench, why))
    (output / "table.md").write_text(text, encoding="utf-8")
    plot = draw_plot(groups, output / "plot.png")
    strip = draw_strip(groups, setup.looks, output / "windows", output / "strip.png")
    draw_proof(plot, strip, output / "proof.png")
    print(text)
    print(f"{output}: table.md, runs.csv, plot.png, strip.png, proof.png")


def read_arguments(description: str | None = __doc__) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-opt", dest="option_file", default="options/swinir_amo.yml", help="data, network, pixel loss")
    parser.add_argument("--data", default=str(SAMPLE), metavar="FOLDER", help="with train and val, as the sample has")
    parser.add_argument("--base", default="experiments/swinir_amo/models/net_g_latest.pth", metavar="FILE")
    parser.add_argument("--base-key", default="params_ema", help="of the weights in the file")
    parser.add_argument("--judge", default="rankiqa-lite", help="the metric that is optimised")
    parser.add_argument("--second-judge", default="", metavar="FILE", help="weights of another rankiqa network")
    parser.add_argument("--sampler", default="", metavar="METRIC", help="of argmax-online; the option file's otherwise")
    parser.add_argument("--preset", default="swinir-conv", help="layers that LoRA changes")
    parser.add_argument("--methods", nargs="+", default=[FULL, "lora-1", "lora-4", "lora-16"])
    parser.add_argument("--lambdas", nargs="+", type=float, default=[0.001, 0.004], help="lambda_Q")
    parser.add_argument("--no-defences", action="store_true", help="leave the runs with defences out")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=72, help="of each run")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--window", type=int, default=192, help="side in px")
    parser.add_argument("--rates-full", nargs="+", type=float, default=[3e-7, 1e-6, 3e-6, 1e-5])
    parser.add_argument("--rates-lora", nargs="+", type=float, default=[1e-5, 3e-5, 1e-4, 3e-4, 1e-3])
    parser.add_argument("--reference-gain", type=float, help="of the tuning; 0.9 of what every method reaches")
    parser.add_argument("--output", default="results/adversarial_noise", metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="a smoke run of a minute")
    if parser.parse_args().quick:
        parser.set_defaults(**QUICK)
    chosen = parser.parse_args()
    for method in chosen.methods:
        if method != FULL and not method.removeprefix("lora-").isdecimal():
            parser.error(f"--methods: expected {FULL} or lora-<rank>, got {method!r}")
    return chosen


def setup_of(chosen: argparse.Namespace) -> Setup:
    return Setup(
        **{name: getattr(chosen, name) for name in ("base_key", "judge", "sampler", "steps", "windows", "window")},
        **{name: getattr(chosen, name) for name in ("batch", "preset", "option_file", "second_judge", "data", "base")},
    )


def check_files(chosen: argparse.Namespace) -> None:
    """Stop in the first second where something is missing; make the sample where that is what is missing."""
    if not Path(chosen.base).is_file():
        raise SystemExit(
            f"{chosen.base} does not exist; make the base with\n  python train_sr.py -opt options/swinir_amo.yml\n"
            "or name another one of that network by --base FILE."
        )
    if chosen.second_judge and not Path(chosen.second_judge).is_file():
        raise SystemExit(
            f"--second-judge: {chosen.second_judge} does not exist; train one by\n  python train_sr.py "
            "-opt options/iqa/rankiqa_lite.yml --force_yml name=second_judge manual_seed=77 network_g:width=32"
        )
    if Path(chosen.data) == SAMPLE:
        make_sample(SAMPLE)
    for part in ("train", "val"):
        if not (Path(chosen.data) / part).is_dir():
            raise SystemExit(f"--data {chosen.data}: expected a folder with train and val, {part} is missing.")


def check_same_setup(path: Path, setup: Setup) -> None:
    """Results of another setup are not continued; files are compared by what they hold."""
    path.parent.mkdir(parents=True, exist_ok=True)
    now = asdict(setup) | {"averaged": averaged_names(setup)}
    for name in ("base", "second_judge"):
        if now[name]:
            now[f"{name}_sha256"] = hashlib.sha256(Path(now[name]).read_bytes()).hexdigest()[:16]
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else now
    other = [
        f"{name} was {before.get(name)!r}, is {value!r}" for name, value in now.items() if before.get(name) != value
    ]
    if other:
        raise SystemExit(f"{path.parent} holds another benchmark ({'; '.join(other)}): take another --output.")
    path.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")


def rates_of(chosen: argparse.Namespace, method: str) -> list[float]:
    return chosen.rates_full if method == FULL else chosen.rates_lora


def defences(chosen: argparse.Namespace) -> tuple[bool, ...]:
    return (False,) if chosen.no_defences else (False, True)


def tuning_keys(chosen: argparse.Namespace) -> list[Key]:
    """Every method with every rate of its grid."""
    return [
        Key("tuning", method, False, max(chosen.lambdas), rate, seed)
        for seed in TUNING_SEEDS
        for method in chosen.methods
        for rate in rates_of(chosen, method)
    ]


def final_keys(chosen: argparse.Namespace, rates: dict[str, float]) -> list[Key]:
    """Seed by seed, so that whoever stops early has whole seeds."""
    return [
        Key("final", method, defended, weight, rates[method], seed)
        for seed in range(1, chosen.seeds + 1)
        for defended, weight, method in itertools.product(defences(chosen), chosen.lambdas, chosen.methods)
    ]


def do_runs(
    bench: Bench, keys: list[Key], looks: list[Look], output: Path, bar: Any, chosen: argparse.Namespace
) -> list[Look]:
    """The looks so far and those of the runs that are still missing, written down run by run."""
    done = {look.key for look in looks}
    for key in keys:
        if key in done:
            continue
        bar.set_description(str(key), refresh=False)
        shown = key.phase == "final" and key.seed == 1 and key.weight == max(chosen.lambdas)
        found = list(bench.run(key, bar.update, output / "windows" if shown else None))
        looks = [*looks, *found]
        write_looks(output / "runs.csv", looks)
        last = found[-1].values
        bar.write(
            f"{key}: judge {last['gain']:+.3f}, held-out loss {last['held-out loss']:+.3f}, "
            f"high-frequency {last['high-frequency']:.2f}, PSNR loss {last['PSNR loss']:+.2f} dB"
        )
    return looks


def introduction(chosen: argparse.Namespace, setup: Setup, bench: Bench, why: str) -> list[str]:
    """What was done, for the table."""
    judges = ", ".join(bench.averaged)
    psnr = statistics.fmean(bench.base_psnr.tolist())
    return [
        f"Base: `{setup.base}` ({setup.base_key}), PSNR {psnr:.2f} dB on {len(bench.windows)} windows of "
        f"{setup.window} px of `{setup.data}/val`. {setup.steps} steps of {setup.batch} pictures, "
        f"Adam at a constant rate after {setup.warmup} steps of warm-up, "
        f"{chosen.seeds} seeds. Optimised: {setup.judge}. Held out: {judges}. LoRA on the layers of `{setup.preset}`, "
        f"alpha equal to the rank. Defences: {json.dumps(DEFENCES)}.",
        "",
        f"Learning rates, tuned without defences at lambda_Q {max(chosen.lambdas):g} on the seeds {TUNING_SEEDS}, "
        f"which are not used again (the windows are the same). {why}",
    ]


if __name__ == "__main__":
    main()
