"""Places to run: name -> "module:function", imported on use because their libraries are heavy or optional."""

EXECUTORS = {
    "inline": "sweeps.execute.inline:execute",
    "ray": "sweeps.execute.ray_tune:execute",
    "slurm": "sweeps.slurm.submit:execute",
}
