"""The process: RNG state, process groups, threads, new processes."""
