"""Downloads of image sets, only on request: training reads local files."""

import contextlib
import socket
import sys
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from odecore.config.data import ImageName, Images, how_to_get, missing_files
from odecore.data import images, readers
from odecore.data.dataset import DataMissing

# Without an answer for so long, a download has failed; there is no limit to the whole of it.
SILENCE_SECONDS = 60.0


def url(name: ImageName) -> str:
    """Where a set is downloaded from; empty for one that cannot be."""
    return readers.READERS[name].url


def fetch(name: ImageName, root: Path) -> bool:
    """Download a set into `root` and compare its checksums; false when it was there already.

    Raises DataMissing, one line, when it cannot be had: no network, no place to write, another
    checksum, or nowhere to download it from.
    """
    if not missing_files(Images(name=name), root):
        images.verify(name, root)
        return False
    if not url(name):
        raise DataMissing(f"data set {name}: {how_to_get(name)}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        # torchvision prints where it is, which is no result.
        with contextlib.redirect_stdout(sys.stderr), _patience(SILENCE_SECONDS):
            readers.READERS[name].download(root)
    except (OSError, RuntimeError, ValueError, HTTPException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataMissing(
            f"data set {name}: cannot download {url(name)} into {root} ({reason}); "
            "run this where there is a network, or copy the files there"
        ) from None
    images.verify(name, root)
    return True


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
