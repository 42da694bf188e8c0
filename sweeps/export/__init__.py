"""The runs of a plan for other tools: each is a file with a function `write(runs, folder)`.

Nothing here reads back what other tools wrote: the results folder stays the only source.
"""
