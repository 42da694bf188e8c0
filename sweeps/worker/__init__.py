"""Code that runs trials.

`shard.Shard` in the parent and `run_one.run_one` in its child process.

Only this code runs on other machines.
"""
