"""The part of BasicSR that training needs, for environments without BasicSR: same names, options, keys and numbers.

Nothing here imports BasicSR, and nothing outside `iqa_sr.basicsr_compat` imports this folder: the door decides whether
an installed BasicSR is used or this.
"""
