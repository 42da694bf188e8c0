"""Downloads: every set that has one, from a server of the test's own; and what is said where there
is no network.
"""

import gzip
import http.server
import shutil
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from small_images import md5, write
from torchvision import datasets

from odecore import data
from odecore.config.data import IMAGE_SETS, Images
from odecore.data import DataMissing, fetch, readers


class Server(http.server.SimpleHTTPRequestHandler):
    """Counts what it is asked for."""

    asked: list[str]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        pass

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()


@pytest.fixture
def served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, str, list[str]]]:
    """A folder that is served, its address, and the paths asked for so far."""
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setenv("ODESWEEP_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "served"
    folder.mkdir()
    handler = type("Handler", (Server,), {"asked": []})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(handler, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}/", handler.asked
        server.shutdown()
        thread.join()


def zipped(files: Path, served: Path, name: str) -> list[tuple[str, str]]:
    """The set's files as .gz; names and md5."""
    found = []
    for file in IMAGE_SETS[name].files:
        path = served / f"{Path(file).name}.gz"
        path.write_bytes(gzip.compress((files / file).read_bytes()))
        found.append((path.name, md5(path)))
    return found


def serve_mnist(dataset: type[datasets.MNIST], name: str) -> Callable[..., None]:
    def serve(files: Path, served: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dataset, "mirrors", [url])
        monkeypatch.setattr(dataset, "resources", zipped(files, served, name))

    return serve


def serve_qmnist(files: Path, served: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = [(url + file, known) for file, known in zipped(files, served, "qmnist")]
    monkeypatch.setattr(datasets.QMNIST, "resources", {"train": packed[:2], "test": packed[2:]})


def serve_svhn(files: Path, served: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in IMAGE_SETS["svhn"].files:
        shutil.copy(files / file, served)
    listed = {
        split: [url + file, file, known]
        for split, (_, file, known) in datasets.SVHN.split_list.items()
    }
    monkeypatch.setattr(datasets.SVHN, "split_list", listed)


def serve_cifar(dataset: type[datasets.CIFAR10]) -> Callable[..., None]:
    def serve(files: Path, served: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with tarfile.open(served / dataset.filename, "w:gz") as archive:
            archive.add(files / dataset.base_folder, dataset.base_folder)
        monkeypatch.setattr(dataset, "url", url + dataset.filename)
        monkeypatch.setattr(dataset, "tgz_md5", md5(served / dataset.filename))

    return serve


def serve_tiny_imagenet(
    files: Path, served: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = served / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in (files / "tiny-imagenet-200").rglob("*"):
            archive.write(path, path.relative_to(files))
    monkeypatch.setattr(readers, "TINY_IMAGENET_URL", url + packed.name)
    monkeypatch.setattr(readers, "TINY_IMAGENET_MD5", md5(packed))


SERVE: dict[str, Callable[..., None]] = {
    "mnist": serve_mnist(datasets.MNIST, "mnist"),
    "qmnist": serve_qmnist,
    "fashion_mnist": serve_mnist(datasets.FashionMNIST, "fashion_mnist"),
    "svhn": serve_svhn,
    "cifar10": serve_cifar(datasets.CIFAR10),
    "cifar100": serve_cifar(datasets.CIFAR100),
    "tiny-imagenet": serve_tiny_imagenet,
}


def test_every_set_that_can_be_downloaded_is_tested() -> None:
    assert set(SERVE) == {name for name in IMAGE_SETS if fetch.url(name)}


@pytest.mark.parametrize("name", list(SERVE))
def test_what_is_downloaded_can_be_loaded_and_is_downloaded_once(
    name: Any,
    tmp_path: Path,
    served: tuple[Path, str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder, url, asked = served
    write(name, tmp_path / "files", monkeypatch)
    SERVE[name](tmp_path / "files", folder, url, monkeypatch)
    assert fetch.fetch(name, tmp_path / "new" / "root")
    out, err = capfd.readouterr()
    assert out == ""
    assert "100" in err, "a progress bar, or percents where tqdm is not installed"
    loaded, original = (
        data.load(Images(name=name), root)
        for root in (tmp_path / "new" / "root", tmp_path / "files")
    )
    assert loaded.sha256 == original.sha256
    before = list(asked)
    assert not fetch.fetch(name, tmp_path / "new" / "root")
    assert asked == before


def test_an_archive_that_is_not_the_original_is_refused(
    tmp_path: Path, served: tuple[Path, str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url, _ = served
    write("tiny-imagenet", tmp_path / "files", monkeypatch)
    serve_tiny_imagenet(tmp_path / "files", folder, url, monkeypatch)
    monkeypatch.setattr(readers, "TINY_IMAGENET_MD5", "0" * 32)
    with pytest.raises(DataMissing, match=r"data set tiny-imagenet: cannot download .*corrupted"):
        fetch.fetch("tiny-imagenet", tmp_path / "root")
    assert not (tmp_path / "root" / "tiny-imagenet-200").exists()


def test_what_was_downloaded_is_compared_once_more(
    tmp_path: Path, served: tuple[Path, str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url, _ = served
    write("mnist", tmp_path / "files", monkeypatch)
    SERVE["mnist"](tmp_path / "files", folder, url, monkeypatch)
    known = dict.fromkeys(IMAGE_SETS["mnist"].files, "0" * 32)
    monkeypatch.setitem(
        readers.READERS, "mnist", readers.READERS["mnist"]._replace(md5=lambda: known)
    )
    with pytest.raises(DataMissing, match="differs from the original"):
        fetch.fetch("mnist", tmp_path / "root")


def test_files_that_are_there_but_damaged_are_named(
    tmp_path: Path, served: tuple[Path, str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("mnist", tmp_path, monkeypatch)
    damaged = tmp_path / IMAGE_SETS["mnist"].files[1]
    damaged.write_bytes(b"cut")
    with pytest.raises(
        DataMissing,
        match=f"{damaged} differs from the original .*delete it, "
        "then get it with `odesweep data fetch",
    ):
        fetch.fetch("mnist", tmp_path)


def test_without_a_network_one_line_says_what_and_from_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setattr(
            datasets.MNIST, "mirrors", [f"http://127.0.0.1:{nobody.getsockname()[1]}/"]
        )
        with pytest.raises(DataMissing) as raised:
            fetch.fetch("mnist", tmp_path)
    message = str(raised.value)
    assert message.startswith(
        f"data set mnist: cannot download {fetch.url('mnist')} into {tmp_path} ("
    )
    assert "Connection refused" in message
    assert "copy the files there" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["cifar100-subset", "tiny-imagenet-20"])
def test_subsets_cannot_be_downloaded(name: Any, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=f"it cannot be downloaded: arrange its files as {name}/"):
        fetch.fetch(name, tmp_path / "root")
    assert not (tmp_path / "root").exists()
