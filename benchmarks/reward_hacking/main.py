"""Comparison of layers, rank and a visible reward as remedies for reward hacking, at equal gain of the reward.

    python train_sr.py -opt options/swinir_amo.yml                     # makes the base
    python benchmarks/reward_hacking/main.py --images FOLDER [--metric NAME [--weights FILE]] [--quick]
        [--scale 4 --degradation hggt-one-stage] [--weights-dir FOLDER] [--output DIR]

From one base, four arms go the same number of steps with `L1 - weight * reward` by the training step of IQASRModel:

    full            all weights
    lora-attention  LoRA of the attention and MLPs (preset swinir)
    lora-conv       LoRA of those and the 3x3 convolutions (preset swinir-conv)
    attention       the weights of the attention and MLPs, at full rank

each with the plain reward and with `IQALoss: {visible: true}`. All runs of a seed see the same crops and ground truths
in the same order. Each is measured at several strengths of what it learned (for LoRA as `iqa-sr merge --strength` does,
else between the weights), on one window of each photograph of --images: the reward; JOD (cvvdp) to the ground truth and
to the base's result; LPIPS and DISTS where their weights are in --weights-dir or the weights store; PSNR, NIQE, and the
share of the change that is a lattice. Runs are compared at gains that are set before (--gains), in gaps: the mean score
of the ground truths minus that of the base's results. Learning rates are tuned for each arm and reward alone, on seeds
and photographs that are not used again.

One reward metric a call. Writes runs.csv (every run, strength and image), table.md, plot.png and strip.png. Stopped and
started again, it resumes after the last whole run.
"""

import argparse
import hashlib
import itertools
import json
import os
import statistics
import sys
from dataclasses import asdict
from pathlib import Path

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

from plots import draw_plot, draw_strip  # noqa: E402
from records import ARMS, Key, Row, key_of, read_rows, write_rows, write_windows  # noqa: E402
from runs import TUNING_WINDOWS, Bench, Setup, measurable  # noqa: E402
from tables import FULL, choose_rates, report, runs_of  # noqa: E402
from tqdm import tqdm  # noqa: E402

from iqa_sr.data.creation.sample_dataset import make_sample  # noqa: E402
from iqa_sr.training.launch import SAMPLE  # noqa: E402

TUNING_SEEDS = (9000, 9001)
MODES = ("plain", "visible")
QUICK = {
    "images": f"{SAMPLE}/val",
    "arms": [FULL, "lora-attention"],
    "seeds": 1,
    "tuning_seeds": 1,
    "steps": 6,
    "windows": 2,
    "strengths": [1.0],
    "gains": [0.05],
    "rates_full": [3e-5],
    "rates_lora": [3e-4, 1e-3],
}


def main() -> None:
    args = read_arguments()
    check_files(args)
    setup = Setup(**{name: getattr(args, name) for name in Setup.__dataclass_fields__})
    output = Path(args.output)
    check_same_setup(output / "setup.json", setup)
    bench = Bench(setup)
    rows = read_rows(output / "runs.csv") or bench.base_rows
    write_windows(output / "windows" / "base.png", bench.images.base)
    write_windows(output / "windows" / "original.png", bench.images.original)
    text = introduction(args, bench)
    print("\n".join(text))
    print(expected_time(args, bench, {key_of(row) for row in rows}), flush=True)
    rows = do_runs(bench, tuning_keys(args), rows, output)
    tuning = [row for row in rows if row["phase"] == "tuning"]
    tuned, why = choose_rates(runs_of(tuning, bench.tuning_base, bench.unit), args.tuning_gain)
    rates = {case: tuned.get(case, grid(args, case[1])[0]) for case in itertools.product(args.modes, args.arms)}
    rows = do_runs(bench, final_keys(args, rates), rows, output)
    wanted = set(final_keys(args, rates))
    runs = runs_of([row for row in rows if key_of(row) in wanted], bench.base_rows, bench.unit)
    table = report(runs, args.gains, [*text, "", f"Learning rates, tuned at a gain of {args.tuning_gain:g}:", "", *why])
    (output / "table.md").write_text(table, encoding="utf-8", newline="\n")
    draw_plot(runs, output / "plot.png")
    draw_strip(runs, output / "windows", output / "strip.png")
    print(table)
    print(f"{output}: table.md, runs.csv, plot.png, strip.png")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--images", metavar="FOLDER", help="photographs that all is measured on, none of them trained on")
    add("--metric", default="jod-lite", help="the reward metric")
    add("--weights", default="", metavar="FILE", help="of the reward metric: rankiqa-own with a file of your training")
    add("--weights-dir", metavar="FOLDER", help="of the endpoints' weight files; else $IQA_SR_WEIGHTS and the cache")
    add("-opt", dest="option_file", default="options/swinir_amo.yml", help="data, network, pixel loss")
    add("--scale", type=int, default=2)
    add("--degradation", default="bicubic", help="a type of `degradation` in an option file, as hggt-one-stage")
    add("--data", default=str(SAMPLE), metavar="FOLDER", help="with train and val, as the sample has")
    add("--base", metavar="FILE", help="checkpoint that every run begins with; else that of the option file")
    add("--base-key", default="params_ema", help="of the weights in the file")
    add("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    add("--modes", nargs="+", choices=MODES, default=list(MODES), help="kinds of reward")
    add("--gains", nargs="+", type=float, default=[0.025, 0.05, 0.1], help="at which runs are compared, in gaps")
    add("--tuning-gain", type=float, help="at which learning rates are compared, in gaps; else the median of --gains")
    add("--quality-weight", type=float, default=0.003, help="of the reward in the loss, per gap")
    add("--rank", type=int, default=8, help="of LoRA, alpha is the same")
    add("--seeds", type=int, default=4)
    add("--tuning-seeds", type=int, default=1, choices=(1, 2))
    add("--steps", type=int, default=50, help="of each run")
    add("--batch", type=int, default=4)
    add("--windows", type=int, default=25, help="photographs that are measured")
    add("--window", type=int, default=192, help="side in px")
    add("--strengths", nargs="+", type=float, default=[0.5, 1.0], help="of what was learned, up to 1.5")
    add("--rates-full", nargs="+", type=float, default=[1.5e-5, 3e-5, 6e-5])
    add("--rates-attention", nargs="+", type=float, default=[1.5e-4, 4e-4, 1.2e-3])
    add("--rates-lora", nargs="+", type=float, default=[1e-3, 2e-3, 4e-3, 8e-3])
    add("--output", default="results/reward_hacking", metavar="DIR")
    add("--quick", action="store_true", help="a smoke run of a minute")
    if parser.parse_args().quick:
        parser.set_defaults(**QUICK)
    args = parser.parse_args()
    if not args.images:
        parser.error("--images FOLDER: expected a folder of photographs that the base was not trained on (or --quick)")
    args.strengths = tuple(sorted(args.strengths))
    args.tuning_gain = args.tuning_gain or sorted(args.gains)[len(args.gains) // 2]
    args.name = Path(args.option_file).stem
    if (args.scale, args.degradation) != (2, "bicubic"):
        args.name += f"_x{args.scale}_{args.degradation}"
    args.base = args.base or f"experiments/{args.name}/models/net_g_latest.pth"
    if args.weights_dir:
        os.environ["IQA_SR_WEIGHTS"] = args.weights_dir
    return args


def check_files(args: argparse.Namespace) -> None:
    """Stop in the first second where something is missing; make the sample where that is what is missing."""
    if not Path(args.base).is_file():
        forced = (
            ""
            if args.name == Path(args.option_file).stem
            else (
                f" --force_yml name={args.name} scale={args.scale} network_g:upscale={args.scale} "
                f"datasets:train:degradation:type={args.degradation} datasets:val:degradation:type={args.degradation}"
            )
        )
        raise SystemExit(
            f"{args.base} does not exist; make the base with\n  python train_sr.py -opt {args.option_file}{forced}\n"
            "or name another one of that network by --base FILE."
        )
    if args.weights and not Path(args.weights).is_file():
        raise SystemExit(f"--weights: {args.weights} does not exist; options/iqa/ has recipes that make such files.")
    if Path(args.data) == SAMPLE:
        make_sample(SAMPLE)
    for folder in (Path(args.data) / "train", Path(args.data) / "val", Path(args.images)):
        if not folder.is_dir():
            raise SystemExit(
                f"{folder} does not exist; --data expects a folder with train and val, --images one of images"
            )


def check_same_setup(path: Path, setup: Setup) -> None:
    """Results of another setup are not continued; files are compared by what they hold."""
    (path.parent / "windows").mkdir(parents=True, exist_ok=True)
    now = json.loads(json.dumps({**asdict(setup), "endpoints": measurable()}))
    for name in ("base", "weights"):
        if now[name]:
            now[f"{name}_sha256"] = hashlib.sha256(Path(now[name]).read_bytes()).hexdigest()[:16]
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else now
    other = [
        f"{name} was {before.get(name)!r}, is {value!r}" for name, value in now.items() if before.get(name) != value
    ]
    if other:
        raise SystemExit(f"{path.parent} holds another benchmark ({'; '.join(other)}): take another --output.")
    path.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8", newline="\n")


def tuning_keys(args: argparse.Namespace) -> list[Key]:
    """Every arm and reward with every rate of its grid, where that has several."""
    return [
        Key("tuning", arm, mode, rate, seed)
        for seed, mode, arm in itertools.product(TUNING_SEEDS[: args.tuning_seeds], args.modes, args.arms)
        for rate in grid(args, arm)
        if len(grid(args, arm)) > 1
    ]


def grid(args: argparse.Namespace, arm: str) -> list[float]:
    """Learning rates that are tried for an arm."""
    return {"full": args.rates_full, "attention": args.rates_attention}.get(arm, args.rates_lora)


def final_keys(args: argparse.Namespace, rates: dict[tuple[str, str], float]) -> list[Key]:
    """Seed by seed, so that whoever stops early has whole seeds."""
    cases = itertools.product(range(1, args.seeds + 1), args.modes, args.arms)
    return [Key("final", arm, mode, rates[mode, arm], seed) for seed, mode, arm in cases]


def do_runs(bench: Bench, keys: list[Key], rows: list[Row], output: Path) -> list[Row]:
    """The rows so far and those of the runs that are still missing, written down run by run."""
    done = {key_of(row) for row in rows}
    missing = [key for key in keys if key not in done]
    calm = 0.5 if sys.stderr.isatty() else 30  # s between two states of the bar
    with tqdm(total=len(missing) * bench.setup.steps, unit="step", dynamic_ncols=True, mininterval=calm) as bar:
        for key in missing:
            shown = key.phase == "final" and key.seed == 1
            found = bench.run(key, bar.update, output / "windows" if shown else None)
            rows = [*rows, *found]
            write_rows(output / "runs.csv", rows)
            [run] = runs_of(found, bench.tuning_base if key.phase == "tuning" else bench.base_rows, bench.unit)
            last = ", ".join(f"{name} {values[-1].mean():+.4f}" for name, values in run.changes.items())
            bar.write(f"{key}: {last}")
    return rows


def expected_time(args: argparse.Namespace, bench: Bench, done: set[Key]) -> str:
    """Estimated time of the runs that are missing, from a few steps and the time to measure the base."""
    tuning = [key for key in tuning_keys(args) if key not in done]
    seed = tuning[0].seed if tuning else 1  # its batches are made now, and used by the first runs
    step = max(bench.seconds_of_a_step(Key("tuning", arm, args.modes[-1], 1e-9, seed)) for arm in args.arms[:2])
    final = len(args.modes) * len(args.arms) * args.seeds - sum(key.phase == "final" for key in done)
    strengths = len(bench.setup.strengths)
    seconds = (len(tuning) + final) * bench.setup.steps * step
    seconds += strengths * (final * bench.measuring + len(tuning) * bench.measuring * TUNING_WINDOWS / args.windows)
    return (
        f"{len(tuning)} runs to tune the rates and {final} runs are missing; {step:.2f} s a step, "
        f"{bench.measuring:.0f} s to measure a strength: about {seconds / 60:.0f} minutes at this speed"
    )


def introduction(args: argparse.Namespace, bench: Bench) -> list[str]:
    """Introduction to the table: reward, base, images, steps, seeds and gains."""
    setup = bench.setup
    names = ("reward", *bench.metrics)
    means = (f"{name} {statistics.fmean(row[name] for row in bench.base_rows):.4f}" for name in names)
    gains = ", ".join(f"{gain:g}" for gain in args.gains)
    return [
        f"Reward: {setup.metric}{' ' + setup.weights if setup.weights else ''}; the gap between the base's results and "
        f"their ground truths is {bench.unit:.4f}, the reward's weight {setup.quality_weight:g} per gap. Base: "
        f"`{setup.base}` ({setup.base_key}), x{setup.scale}, {setup.degradation}. Measured on "
        f"{len(bench.images.windows)} windows of {setup.window} px of `{setup.images}`; of the base: "
        f"{', '.join(means)}. {setup.steps} steps of {setup.batch} images, Adam at a constant rate after a warm-up, "
        f"{args.seeds} seeds; LoRA of rank {setup.rank}. Lattice: period {bench.period} px. Gains, set before: {gains}."
        f" Rates are tuned on {len(bench.tuning.windows)} windows of `{setup.data}/val` and {args.tuning_seeds} other "
        "seeds.",
    ]


if __name__ == "__main__":
    main()
