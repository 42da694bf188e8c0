"""`odesweep show`: everything about one trial on a page."""

import json
from typing import TYPE_CHECKING, Any

from sweeps.cli import DEFAULT_RESULTS, JsonOption, ResultsOption, existing
from sweeps.cli.logs import TrialArgument

if TYPE_CHECKING:
    from sweeps.inspection.one_trial import Page


def show(
    trial: TrialArgument, results: ResultsOption = DEFAULT_RESULTS, as_json: JsonOption = False
) -> None:
    """Show everything about one trial on a page.

    Its state, spec, outcome, metrics, evaluations, time, provenance, attempts and files, and the
    command that makes it again.
    """
    from sweeps.inspection.one_trial import page
    from sweeps.inspection.status import Watch

    watch = Watch(existing(results))
    found = page(watch, watch.named_trial(trial))
    if as_json:
        print(json.dumps(found.as_dict(), indent=1, default=str))
    else:
        _print(found)


def _print(page: "Page") -> None:
    print("\n".join(page.heading))
    for title, lines in page.sections.items():
        if not lines:
            continue
        width = max(map(len, lines))
        print(f"\n{title}")
        for name, value in lines.items():
            print(f"  {name:<{width}}  {_text(value)}")


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
