"""`--open`: a page in the browser of a desktop, and one line where there is none."""

import sys
import webbrowser
from pathlib import Path

# They would fill the terminal and wait there. `www-browser` is Debian's name for one of them.
TEXT_BROWSERS = {"www-browser", "lynx", "w3m", "links", "links2", "elinks"}


def open_page(address: str) -> None:
    """Open `address` in the browser that BROWSER names, or else the desktop's.

    Without one, or when it fails, a line on stderr says where the page is.
    """
    if not _opened(address):
        print(f"odereport: no browser of a desktop here; open {address} yourself", file=sys.stderr)


def _opened(address: str) -> bool:
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    # Those that start a program have its name.
    program = Path(getattr(browser, "name", "")).name
    return program not in TEXT_BROWSERS and browser.open(address)
