"""The process: RNG state, process groups, CPU threads, prefetching."""
