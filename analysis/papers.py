"""The folders with FIGURES and TABLES, in the order of listings and of the report.

`running` is about the sweep itself.
"""

PAPERS = ("cross", "gusak2020", "zheng2024", "ott2021", "gladzik2019", "enorm2019", "running")
