"""Our classes that an option file may name: one table, put into BasicSR's registries by `register()`.

And where our messages go. Every module has `logging.getLogger(__name__)`, below the logger `iqa_sr`, and is configured
as any library: without configuration, warnings go to stderr. Where BasicSR trains, `iqa_sr` speaks through the logger
`basicsr`, which has the console, the run's log file and, on all processes but the first, errors only.
"""

import logging
from typing import Any

from iqa_sr.archs.augmentiq_arch import AugmentIQHeads
from iqa_sr.archs.jod_lite_arch import JODLite
from iqa_sr.archs.patch_transformer_arch import PatchTransformer
from iqa_sr.archs.rankiqa_arch import RankIQALite
from iqa_sr.basicsr_compat import (
    ARCH_REGISTRY,
    DATASET_REGISTRY,
    LOSS_REGISTRY,
    METRIC_REGISTRY,
    MODEL_REGISTRY,
    patch_basicsr,
)
from iqa_sr.datasets.aigc_dataset import AIGCDataset
from iqa_sr.datasets.distortion_chain_dataset import ChainDataset
from iqa_sr.datasets.jod_dataset import JODDataset
from iqa_sr.datasets.mos_dataset import OpinionDataset
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from iqa_sr.datasets.preference_dataset import PreferenceDataset
from iqa_sr.datasets.ranking_dataset import RankingDataset
from iqa_sr.datasets.triplet_dataset import TripletDataset
from iqa_sr.losses.perceptual_slot import LOSSES, PerceptualSlot
from iqa_sr.models.iqa_sr_model import IQASRModel
from iqa_sr.models.quality_model import QualityModel
from iqa_sr.models.validation import calculate_iqa
from iqa_sr.objectives.afine_network import TrainableAFINE
from iqa_sr.objectives.arniqa_network import ARNIQANetwork
from iqa_sr.objectives.qualiclip_network import TrainableQualiCLIP

__all__ = ["register"]

TABLE: tuple[tuple[Any, Any], ...] = (
    *(
        (ARCH_REGISTRY, network)
        for network in (
            ARNIQANetwork,
            AugmentIQHeads,
            JODLite,
            PatchTransformer,
            RankIQALite,
            TrainableAFINE,
            TrainableQualiCLIP,
        )
    ),
    *(
        (DATASET_REGISTRY, dataset)
        for dataset in (
            AIGCDataset,
            ChainDataset,
            JODDataset,
            MultiGTDataset,
            OpinionDataset,
            PreferenceDataset,
            RankingDataset,
            TripletDataset,
        )
    ),
    *((LOSS_REGISTRY, loss) for loss in (*LOSSES.values(), PerceptualSlot)),
    *((MODEL_REGISTRY, model) for model in (IQASRModel, QualityModel)),
    (METRIC_REGISTRY, calculate_iqa),
)


class _BasicSRHandler(logging.Handler):
    """Hands messages to BasicSR's logger, with the handlers and the level that it has by then."""

    def emit(self, record: logging.LogRecord) -> None:
        basicsr = logging.getLogger("basicsr")
        if basicsr.isEnabledFor(record.levelno):
            basicsr.handle(record)


def register() -> None:
    """Put our classes into BasicSR's registries and arrange what BasicSR needs today; a second call changes nothing.

    From then on, what is said below the logger `iqa_sr` goes to the logger `basicsr`.

    `import iqa_sr.plugin; iqa_sr.plugin.register()` before `basicsr.train.train_pipeline` is all that a training
    script of your own needs.
    """
    ours = logging.getLogger("iqa_sr")
    if not any(isinstance(handler, _BasicSRHandler) for handler in ours.handlers):
        ours.addHandler(_BasicSRHandler())
        ours.propagate = False  # BasicSR's logger decides
        if ours.level == logging.NOTSET:
            ours.setLevel(logging.DEBUG)
    patch_basicsr()
    for registry, entry in TABLE:
        if entry.__name__ not in registry:
            registry.register(entry)
