"""Speed and scale against peers, side by side in one run: `python -m benchmarks`. Never part of the tests."""
