"""Files here that compare with an installed BasicSR as a whole are left out where there is none."""

from iqa_sr.runtime.packages import is_installed

COMPARING = [f"test_builtin_{what}.py" for what in ("dataset", "losses", "networks")]
collect_ignore = [] if is_installed("basicsr") else COMPARING
