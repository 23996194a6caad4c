"""The modules of tests/bench/run."""
