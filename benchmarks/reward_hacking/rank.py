"""Which part of full fine-tuning's update pleases the judge, and what rank that part has.

    python benchmarks/reward_hacking/rank.py --rates-full RATE --lambdas WEIGHT [options of main.py]

Fine-tunes all of the base by `L1 - lambda_Q * judge`, as main.py does, and then puts parts of the base
back: keeps the update of the layers that LoRA would change alone, that of all others alone, and the first of these cut
to a rank in every layer (its best approximation, by singular value decomposition). Each is measured on the validation
windows. Were the judge pleased by what a low rank cannot hold, its gain would go as the rank is cut.
"""

import re

from iqa_sr.runtime.threads import prepare_cpu_threads

prepare_cpu_threads()

import torch  # noqa: E402
from main import check_files, read_arguments, setup_of  # noqa: E402
from runs import Bench, Key  # noqa: E402
from tables import FULL, interval  # noqa: E402
from torch import Tensor  # noqa: E402
from tqdm import tqdm  # noqa: E402

from iqa_sr.lora.injection import PRESETS  # noqa: E402

MEASURES = ("gain", "held-out loss", "high-frequency", "PSNR loss")
RANKS = (16, 4, 1)
State = dict[str, Tensor]


def main() -> None:
    chosen = read_arguments(__doc__)
    check_files(chosen)
    bench = Bench(setup_of(chosen))
    found: dict[str, list[dict[str, float]]] = {}
    with tqdm(total=chosen.seeds * chosen.steps, unit="step", dynamic_ncols=True) as bar:
        for seed in range(1, chosen.seeds + 1):
            key = Key("final", FULL, False, chosen.lambdas[-1], chosen.rates_full[0], seed)
            for name, values in parts_of_a_run(bench, key, bar).items():
                found.setdefault(name, []).append(values)
    print(bench.describe())
    print(f"full fine-tuning, rate {key.rate:g}, lambda_Q {key.weight:g}, {chosen.steps} steps, {chosen.seeds} seeds\n")
    print(f"| kept of the update | {' | '.join(MEASURES)} |\n|---|{'---|' * len(MEASURES)}")
    for name, runs in found.items():
        columns = (interval([values[measure] for values in runs]) for measure in MEASURES)
        print(f"| {name} | {' | '.join(f'{one.mean:.3f} ± {one.high - one.mean:.3f}' for one in columns)} |")


def parts_of_a_run(bench: Bench, key: Key, bar: "tqdm[None]") -> dict[str, dict[str, float]]:
    """What each part of the update of a run does, by its name."""
    for _, model in bench.train(key, bar.update):
        network = model.get_bare_model(model.net_g)
    tuned = {name: value.clone() for name, value in network.state_dict().items()}
    base = torch.load(bench.setup.base, weights_only=True)[bench.setup.base_key]
    measured = {}
    for name, state in parts(base, tuned, bench.setup.preset).items():
        network.load_state_dict(state)
        measured[name] = bench.measure(model.upscale)[0]
    return measured


def parts(base: State, tuned: State, preset: str) -> dict[str, State]:
    """Networks between the base and the tuned one."""
    layers = re.compile(f"({PRESETS[preset]})\\.weight")
    inside = {name for name in base if layers.fullmatch(name)}
    outside = {name for name, value in base.items() if name not in inside and value.is_floating_point()}
    made = {
        "all": tuned,
        f"weights of the layers of `{preset}`": {**base, **{name: tuned[name] for name in inside}},
        "everything else": {**base, **{name: tuned[name] for name in outside}},
    }
    for rank in RANKS:
        cut = {name: base[name] + truncated(tuned[name] - base[name], rank) for name in inside}
        made[f"those weights, cut to rank {rank}"] = {**base, **cut}
    return made


def truncated(update: Tensor, rank: int) -> Tensor:
    """The nearest update of a rank, as LoRA counts it: a convolution is a matrix with a row for each of its outputs."""
    u, s, v = torch.linalg.svd(update.flatten(1).double(), full_matrices=False)
    return ((u[:, :rank] * s[:rank]) @ v[:rank]).reshape(update.shape).to(update.dtype)


if __name__ == "__main__":
    main()
