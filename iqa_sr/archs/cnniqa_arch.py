"""CNNIQA: one convolution, its largest and smallest responses, and three linear layers; a score of a patch."""

import torch
from torch import Tensor, nn

__all__ = ["CNNIQANet"]


class CNNIQANet(nn.Module):
    """A score of each normalized gray patch; the dropout of the training is left out.

    Its state dict has the names of the published file.

    Reference:
        Kang, Ye, Li, Doermann: Convolutional Neural Networks for No-Reference Image Quality Assessment, CVPR 2014,
        https://openaccess.thecvf.com/content_cvpr_2014/html/Kang_Convolutional_Neural_Networks_2014_CVPR_paper.html
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 50, 7)
        self.fc1 = nn.Linear(100, 800)
        self.fc2 = nn.Linear(800, 800)
        self.fc3 = nn.Linear(800, 1)

    def forward(self, patches: Tensor) -> Tensor:
        """`(P, 1, 32, 32)` to `(P, 1)`."""
        responses = self.conv1(patches).flatten(2)  # (P, 50, 676)
        features = torch.cat((responses.amax(2), responses.amin(2)), 1)  # (P, 100)
        return self.fc3(self.fc2(self.fc1(features).relu()).relu())
