"""`odesweep data check` and `fetch`, as a person sees them.

One line per data set, and exit codes.
"""

import json
import os
from pathlib import Path

import pytest
from torchvision import datasets

from odecore.config.data import IMAGE_SETS
from odecore.data import readers
from sweeps.cli import main

STUDY = """
from sweeps.study import Scale, Study

STUDY = Study(
    name="mine",
    title="Mine",
    question="Mine?",
    expected="Yes.",
    base={
        "model": {"name": "idle"},
        "train": {"optimizer": {"name": "sgd", "lr": 0.1}, "batch_size": 2, "iterations": 1},
    },
    grid={"data": [{"name": name, **more} for name, more in DATA]},
    seeds=(0,),
    scales={"paper": Scale("All of it.")},
)
"""


@pytest.fixture
def study(tmp_path: Path) -> str:
    """A study over two configurations of MNIST, a subset that cannot be downloaded, and others.

    The others are generated images and spheres.
    """
    sets = [
        ("mnist", {}),
        ("mnist", {"train_limit": 20}),
        ("cifar100-subset", {}),
        ("svhn", {"source": "generated"}),
        ("spheres", {}),
    ]
    path = tmp_path / "mine.py"
    path.write_text(f"DATA = {sets!r}\n{STUDY}")
    return str(path)


def run(
    capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int | str | None, list[str], str]:
    """Exit code, lines of standard output, standard error."""
    with pytest.raises(SystemExit) as exited:
        main(["data", *arguments])
    out, err = capsys.readouterr()
    return exited.value.code, out.splitlines(), err


MNIST_BYTES = {
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}


def lay_out(root: Path, name: str) -> None:
    for file in IMAGE_SETS[name].files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "mnist":
            path.touch()
            os.truncate(path, MNIST_BYTES[path.name])
            continue
        (path / "class").mkdir(parents=True)
        for number in range(5_000 if path.name == "train" else 1_000):
            (path / "class" / f"{number}.png").touch()


def test_check_says_one_line_per_data_set(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODESWEEP_DATA", raising=False)
    code, lines, _ = run(capsys, "check", study)
    assert code == 3
    assert [line.partition(":")[0] for line in lines] == [
        "mnist",
        "cifar100-subset",
        "svhn",
        "spheres",
    ]
    assert lines[0].startswith(
        f"mnist: not ok: no data folder is given; get it with `odesweep data fetch {study}`"
    )
    _, others, _ = run(capsys, "check", study, "--data-root", "elsewhere", "--scale", "paper")
    command = f"odesweep data fetch {study} --scale paper --data-root elsewhere"
    assert f"is not in elsewhere; get it with `{command}`" in others[0]
    assert lines[1].startswith(
        "cifar100-subset: not ok: no data folder is given; it cannot be downloaded: arrange its "
        "files as cifar100-subset/"
    )
    assert lines[2:] == [
        "svhn: ok: generated when it is needed, has no files",
        "spheres: ok: generated when it is needed, has no files",
    ]
    lay_out(tmp_path, "mnist")
    code, lines, _ = run(capsys, "check", study, "--data-root", str(tmp_path))
    assert code == 3
    assert lines[0] == f"mnist: ok: 60,000 training and 10,000 test images in {tmp_path}"
    assert lines[1].startswith(
        f"cifar100-subset: not ok: cifar100-subset/train is not in {tmp_path}; "
    )
    lay_out(tmp_path, "cifar100-subset")
    assert run(capsys, "check", study, "--data-root", str(tmp_path))[0] == 0
    labels = tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    os.truncate(labels, 10_000)
    (tmp_path / "cifar100-subset" / "test" / "class" / "7.png").unlink()
    code, lines, _ = run(capsys, "check", study, "--data-root", str(tmp_path))
    assert code == 3
    assert lines[0].startswith(f"mnist: not ok: {labels} has 10,000 bytes, not 10,008; delete it")
    assert "cifar100-subset/test has 999 images, not 1,000" in lines[1]


def test_verify_reads_the_files(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODESWEEP_CACHE", str(tmp_path / "cache"))
    for name in ("mnist", "cifar100-subset"):
        lay_out(tmp_path, name)
    code, lines, _ = run(capsys, "check", study, "--data-root", str(tmp_path), "--verify")
    assert code == 3
    assert lines[0].startswith(
        f"mnist: not ok: {tmp_path}/MNIST/raw/train-images-idx3-ubyte differs from the original "
        "(md5); delete it, then "
    )
    assert lines[1].startswith(f"cifar100-subset: not ok: what is in {tmp_path} cannot be read (")


def test_verify_of_the_real_files(
    study: str, data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines, _ = run(
        capsys, "check", study, "--data-root", str(data_root), "--verify", "--json"
    )
    assert code == 0
    rows = {row["data"]: row for row in json.loads("\n".join(lines))}
    assert rows["mnist"] == {
        "data": "mnist",
        "ok": True,
        "text": f"60,000 training and 10,000 test images in {data_root}, read; "
        "4 checksums compared",
    }
    assert rows["cifar100-subset"]["text"].endswith("read; no checksums are known")


def test_fetch_without_a_folder_is_a_mistake(
    study: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODESWEEP_DATA", raising=False)
    code, _, err = run(capsys, "fetch", study)
    assert code == 2
    assert (
        err
        == "odesweep: no data folder is given; give the folder for downloads with --data-root or "
        "ODESWEEP_DATA\n"
    )


def test_fetch_downloads_what_the_study_needs_and_nothing_else(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    downloaded: list[str] = []

    def replaced(name: str) -> readers.Reader:
        def download(root: Path) -> None:
            downloaded.append(name)
            lay_out(root, name)

        return readers.READERS[name]._replace(download=download, md5=dict)

    monkeypatch.setattr(readers, "READERS", {name: replaced(name) for name in readers.READERS})
    root = tmp_path / "root"
    code, lines, _ = run(capsys, "fetch", study, "--data-root", str(root), "--dry-run")
    assert (
        lines[0] == f"mnist: ok: would be downloaded from {datasets.MNIST.mirrors[0]} into {root}"
    )
    assert (code, downloaded, root.exists()) == (3, [], False)
    code, lines, _ = run(capsys, "fetch", study, "--data-root", str(root))
    assert (code, downloaded) == (3, ["mnist"])
    assert lines[0] == f"mnist: ok: downloaded into {root}"
    assert lines[1].startswith(
        "cifar100-subset: not ok: it cannot be downloaded: arrange its files as "
        "cifar100-subset/{train,test}/CLASS/*.png"
    )
    assert lines[2] == "svhn: ok: generated when it is needed, nothing to download"
    lay_out(root, "cifar100-subset")
    code, lines, _ = run(capsys, "fetch", study, "--data-root", str(root))
    assert (code, downloaded) == (0, ["mnist"])
    assert lines[:2] == [f"mnist: ok: already in {root}", f"cifar100-subset: ok: already in {root}"]


def test_without_a_network_fetch_says_so_in_one_line(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    code, lines, _ = run(capsys, "fetch", study, "--data-root", str(tmp_path))
    assert code == 3
    assert lines[0].startswith(
        f"mnist: not ok: cannot download {readers.READERS['mnist'].url} into {tmp_path} ("
    )
    assert lines[0].endswith("run this where there is a network, or copy the files there")
