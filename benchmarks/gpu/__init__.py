"""`make gpu`: one command for whoever has a GPU for ten minutes.

Checks of everything on the device against the CPU, speed as ratios on the same card, and a real
sweep. It needs the `train` extra only. Without a GPU it rehearses itself on the CPU.
"""
