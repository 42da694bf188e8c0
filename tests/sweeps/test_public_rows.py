"""Rows to publish: everything but names of machines, workers and paths."""

from pathlib import Path

import pytest
from store_rows import evaluation, run, trajectory

from sweeps.errors import UserError
from sweeps.store import Results, Writer, accepted_evaluations, accepted_runs, read_table
from sweeps.store.public_rows import copy_public

HOSTS = ("login7.cluster.example", "gpu12", "node")
SECRET = ("login7", "gpu12", "/home/somebody")


def test_nothing_else_changes(tmp_path: Path) -> None:
    source, target = Results(tmp_path / "source"), Results(tmp_path / "target")
    source.create()
    writer = Writer(source, "gpu12-1")
    traceback = 'File "/home/somebody/odesweep/odecore/x.py", line 3'
    worker = "gpu12-77-0a1b2c3d"
    rows = [
        run(f"t{n}", f"a{n}", host=host, worker_id=worker, traceback=None)
        for n, host in enumerate((*HOSTS, HOSTS[0]))
    ]
    rows.append(
        run("t9", "a9", host=None, worker_id=worker, traceback=traceback, outcome="crashed")
    )
    writer.add("runs", rows)
    writer.add("evaluations", [evaluation("t0", "a0", "e", worker_id=worker)])
    writer.add("probe_trajectory", trajectory("t0", "a0"))
    writer.close()
    (source.weights / "t0-weights.safetensors").write_bytes(b"gpu12")
    (source.logs / "gpu12-1.log").write_text("/home/somebody")
    made = copy_public(source, target)
    assert made.number == 1

    before, after = (
        {row["trial_id"]: row for row in read_table(one, "runs").to_pylist()}
        for one in (source, target)
    )
    hidden = {"host", "worker_id", "traceback"}
    for trial_id, row in before.items():
        left = {name: value for name, value in after[trial_id].items() if name not in hidden}
        assert left == {name: value for name, value in row.items() if name not in hidden}
    hosts = [after[f"t{n}"]["host"] for n in range(4)]
    assert hosts[2] == "node", "it is public already"
    assert set(hosts[:2]) == {"node-1", "node-2"}
    assert hosts[3] == hosts[0]
    assert after["t9"]["host"] is after["t9"]["traceback"] is None
    (scored,) = accepted_evaluations(target).to_pylist()
    assert scored["worker_id"] == after["t0"]["worker_id"] != worker
    paths = [read_table(one, "probe_trajectory") for one in (source, target)]
    assert paths[0].equals(paths[1])
    assert len(accepted_runs(target)) == len(accepted_runs(source))
    for path in target.path.rglob("*"):
        assert not any(secret in str(path) for secret in SECRET)
        if path.is_file():
            assert not any(secret.encode() in path.read_bytes() for secret in SECRET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "source.state", "target"]

    again = Results(tmp_path / "again")
    copy_public(target, again)
    public = {row["trial_id"]: row for row in read_table(again, "runs").to_pylist()}
    assert public == after
    with pytest.raises(UserError, match="exists"):
        copy_public(source, again)
