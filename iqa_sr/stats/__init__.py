"""Statistics: bootstrap, permutation test, correlation, pairwise accuracy, formulas."""
