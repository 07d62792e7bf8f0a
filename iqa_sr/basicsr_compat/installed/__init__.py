"""The only folder that imports BasicSR, and what has to be arranged for an installed one to work today.

BasicSR 1.4.2 is from 2022 and stays as it is on disk. `patch_basicsr()` rebinds, from outside, what breaks or silently
goes wrong with today's torch, torchvision, numpy and scipy, on machines without CUDA, or at all. Each module here holds
one part: what is bound instead, and a table `PATCHES` (object, attribute, replacement) that says why. A BasicSR that
has the cure already (basicsr-fixed, git master) is used as it is found.
"""

from iqa_sr.basicsr_compat.installed.missing_modules import provide_missing_modules

# First of all: BasicSR cannot be imported without them. Python runs this file before any other module of the folder, so
# those may import basicsr at their top; spawned loader workers import it again and get the stand-ins, too.
provide_missing_modules()
