"""What runs trials: `shard.run_shard` in the parent, `run_one.run_one` in its child; the only code that crosses machines."""
