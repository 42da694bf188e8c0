"""Shell completion: the names that begin like the typed word. Nothing here loads torch."""


def figure_names(incomplete: str) -> list[str]:
    """Papers and their figures."""
    return _beginning(incomplete, "FIGURES")


def table_names(incomplete: str) -> list[str]:
    """Papers and their tables."""
    return _beginning(incomplete, "TABLES")


def figure_and_table_names(incomplete: str) -> list[str]:
    """Papers and their figures and tables."""
    return _beginning(incomplete, "FIGURES", "TABLES")


def scale_names(incomplete: str) -> list[str]:
    """Scales that the papers' studies have."""
    return [name for name in ("paper", "small", "smoke") if name.startswith(incomplete)]


def _beginning(incomplete: str, *kinds: str) -> list[str]:
    from analysis.check import select

    found = [value.name for value in select(None, *kinds)]
    papers = dict.fromkeys(name.partition("/")[0] for name in found)
    return [name for name in (*papers, *found) if name.startswith(incomplete)]
