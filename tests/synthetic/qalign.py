"""A small mPLUG-Owl2 as a folder of shards: one in the format of torch, as Q-Align's, one of safetensors."""

from functools import partial

from tests.helpers.golden_images import golden
from tests.helpers.synthetic_weights import Folder, synthetic_tensors


def owl(ending, prefix):
    """Two shards, each with half of the tensors, their index and the config."""
    tensors = synthetic_tensors("qalign")
    names = [f"{prefix}-0000{number}-of-00002.{ending}" for number in (1, 2)]
    half = len(tensors) // 2
    shard_of = {key: names[position >= half] for position, key in enumerate(tensors)}
    shards = {name: {key: tensors[key] for key, shard in shard_of.items() if shard == name} for name in names}
    index = {"metadata": {"total_size": 0}, "weight_map": shard_of}
    return Folder({"config.json": golden("qalign")["config"], f"{prefix}.{ending}.index.json": index, **shards})


FILES = {
    "one-align": partial(owl, "bin", "pytorch_model"),
    "DeQA-Score-Mix3": partial(owl, "safetensors", "model"),
}
