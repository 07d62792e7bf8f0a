"""Features of CLIP's ViT-L/14 at 336 px, of unit length."""

import torch.nn.functional as F
from torch import Tensor, nn

from iqa_sr.archs.normalization import CLIP, Normalize
from iqa_sr.io.network_states import load_state, select_state_dict
from iqa_sr.set_metrics.networks import FeatureNetwork
from iqa_sr.weights.store import read_weights

__all__ = ["WEIGHTS", "CLIPFeatures"]

WEIGHTS = "ViT-L-14-336px.pt"
PATCH, GRID = 14, 24
HEAD = 64  # features of an attention head, in all of CLIP's transformers


class CLIPFeatures(FeatureNetwork):
    """The network of CMMD: CLIP's image embeddings of 336 px, 768 of unit length.

    Its width and depth are those of the file, as in OpenAI's own program; the file's hash says which it is.

    Reference:
        Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
    """

    def read_network(self) -> nn.Module:
        """The image tower with CLIP's normalization in front, without the texts."""
        from iqa_sr.archs.clip_vit_arch import CLIPVision

        state = select_state_dict(read_weights(WEIGHTS), WEIGHTS, None)
        visual = {name.removeprefix("visual."): value for name, value in state.items() if name.startswith("visual.")}
        if "proj" not in visual or visual["proj"].ndim != 2:
            raise ValueError(
                f"{WEIGHTS}: expected CLIP's ViT-L/14 with a vision transformer below `visual.`, found none; delete "
                "the file to have it anew"
            )
        width, self.dimensions = visual["proj"].shape
        self.side = PATCH * GRID
        layers = len({name.split(".")[2] for name in visual if name.startswith("transformer.resblocks.")})
        network = CLIPVision(PATCH, GRID, width, layers, width // HEAD, self.dimensions)
        load_state(network, visual, WEIGHTS)
        return nn.Sequential(Normalize(CLIP), network)

    def features(self, levels: Tensor) -> Tensor:
        """Features `(N, 768)` of length 1 of images `(N, 3, 336, 336)` from 0 to 255."""
        return F.normalize(self.network(levels / 255), dim=-1)
