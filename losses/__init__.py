"""Losses that an option file can name beside BasicSR's own."""

from iqa_sr.losses.afine_loss import AFINELoss
from iqa_sr.losses.ensemble_iqa_loss import EnsembleIQALoss
from iqa_sr.losses.iqa_loss import IQALoss
from iqa_sr.losses.lpips_loss import LPIPSLoss
from iqa_sr.losses.perceptual_slot import PerceptualSlot

__all__ = ["AFINELoss", "EnsembleIQALoss", "IQALoss", "LPIPSLoss", "PerceptualSlot"]
