"""Speed and scale compared with peers in the same run: `python -m benchmarks`.

The benchmarks are not part of the tests.
"""
