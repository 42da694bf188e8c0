"""The devcluster is a cluster.

Four hosts, GPUs, preemption, requeue, a node that is cut off, accounting.
"""

import time
from pathlib import Path

import pytest
from cluster import NODES, Cluster, wait_for

pytestmark = pytest.mark.slurm


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_an_array_runs_on_four_hosts_with_names_addresses_and_processes_of_their_own(
    cluster: Cluster, tmp_path: Path
) -> None:
    # Each task holds a whole node and waits until all four run, so that no two can share one.
    script = f"""
    address=$(ip -4 -o addr show eth0 | awk '{{print $4}}')
    echo "$(hostname) $address $(readlink /proc/self/ns/pid)" > {tmp_path}/$SLURM_ARRAY_TASK_ID
    while [ $(ls {tmp_path} | wc -l) -lt 4 ]; do sleep 0.2; done"""
    job = cluster.sbatch(script, "--array=0-3", "--cpus-per-task=4")
    cluster.wait_for(job, "COMPLETED")
    hosts, addresses, process_ids = zip(
        *(file.read_text().split() for file in tmp_path.iterdir()), strict=True
    )
    assert sorted(hosts) == sorted(NODES)
    assert len(set(addresses)) == 4
    assert len({*process_ids, str(Path("/proc/self/ns/pid").readlink())}) == 5


def test_hosts_reach_each_other_by_name_and_by_address(cluster: Cluster) -> None:
    connect = (
        "import socket, sys; [socket.create_connection((host, 6818), 5).close() for host in "
        "sys.argv[1:]]; print('reached')"
    )
    addresses = [
        field.partition("=")[2]
        for field in cluster.slurm("scontrol", "-o", "show", "node").split()
        if field.startswith("NodeAddr=")
    ]
    assert len(set(addresses)) == 4
    out = cluster.slurm(
        "srun", "-N4", "--ntasks-per-node=1", "python3", "-c", connect, *NODES, *addresses
    )
    assert out.split() == ["reached"] * 4


def test_two_tasks_on_a_node_get_different_gpus(cluster: Cluster, tmp_path: Path) -> None:
    script = (
        f"echo $CUDA_VISIBLE_DEVICES > {tmp_path}/$SLURM_ARRAY_TASK_ID; while [ $(ls {tmp_path} | "
        "wc -l) -lt 2 ]; do sleep 0.2; done"
    )
    job = cluster.sbatch(script, "--array=0-1", "--nodelist=n2", "--gres=gpu:1")
    cluster.wait_for(job, "COMPLETED")
    assert sorted(file.read_text().strip() for file in tmp_path.iterdir()) == ["0", "1"]


def test_a_job_of_high_requeues_one_of_low_which_gets_sigterm_and_its_grace_time_first(
    cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    # Appended: a kill between truncation and writing would leave an empty file.
    step = tmp_path / "step.sh"
    step.write_text(
        f"trap 'echo TERM $(date +%s) >> {log}' TERM\necho START >> {log}\nwhile :; do sleep 0.1; "
        f"echo $(date +%s) >> {tmp_path}/alive; done\n"
    )
    low = cluster.sbatch(
        f"srun bash {step}", "--partition=low", "--nodelist=n3", "--cpus-per-task=4"
    )
    wait_for(lambda: lines(log), 30, lambda: cluster.states(low))
    high = cluster.sbatch("true", "--partition=high", "--nodelist=n3", "--cpus-per-task=4")
    wait_for(lambda: len(lines(log)) > 1, 30, lambda: lines(log))
    assert lines(log)[1].startswith("TERM")
    assert cluster.states(low) == {low: "RUNNING"}, "it lives on after SIGTERM"
    cluster.wait_for(low, "PENDING")
    warned, last = int(lines(log)[1].split()[1]), int(lines(tmp_path / "alive")[-1])
    assert last - warned >= 9, "GraceTime is 10 s"
    cluster.wait_for(high, "COMPLETED")
    cluster.wait_for(low, "RUNNING")
    assert cluster.restarts(low) == 1
    assert "PREEMPTED" in {row["State"] for row in cluster.sacct(low, "State")}


def test_requeue_of_one_task_leaves_the_others_alone(cluster: Cluster, tmp_path: Path) -> None:
    job = cluster.sbatch(f"echo x >> {tmp_path}/$SLURM_ARRAY_TASK_ID; sleep 100", "--array=0-3")
    wait_for(lambda: len(list(tmp_path.iterdir())) == 4, 30, lambda: cluster.states(job))
    # The last task: its plain job id is the array's id, which would requeue all.
    cluster.slurm("scontrol", "requeue", f"{job}_3")
    wait_for(lambda: lines(tmp_path / "3") == ["x", "x"], 60, lambda: cluster.states(job))
    assert [lines(tmp_path / str(task)) for task in range(3)] == [["x"]] * 3
    assert set(cluster.states(job).values()) == {"RUNNING"}


def test_a_node_that_is_cut_off_is_down_its_job_runs_elsewhere_and_it_comes_back(
    cluster: Cluster, tmp_path: Path
) -> None:
    def silent(node: str) -> float:
        """Seconds since the job wrote there."""
        return time.time() - (tmp_path / node).stat().st_mtime

    job = cluster.sbatch(
        f"while :; do touch {tmp_path}/$(hostname); sleep 0.2; done", "--exclude=n1,n2"
    )
    first = wait_for(
        lambda: [file.name for file in tmp_path.iterdir()], 30, lambda: cluster.states(job)
    )[0]
    cluster.cut(first)
    cluster.wait_for_node(first, "down*", "down")
    cluster.wait_for(job, "RUNNING")
    second = cluster.node_of(job)
    assert {first, second} == {"n3", "n4"}
    wait_for((tmp_path / second).exists, 10, lambda: cluster.states(job))
    # What makes lost nodes hard: the first attempt does not know, and runs on beside the second.
    assert silent(first) < 5
    cluster.heal(first)
    cluster.wait_for_node(first, "idle")
    wait_for(lambda: silent(first) > 3, 30, lambda: "the first attempt still running")
    assert cluster.states(job) == {job: "RUNNING"}
    assert cluster.restarts(job) == 1
    assert "NODE_FAIL" in {row["State"] for row in cluster.sacct(job, "State")}


def test_jobs_survive_the_controller_and_a_daemon_that_dies(
    cluster: Cluster, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    running = cluster.sbatch(
        f"until [ -e {go} ]; do sleep 0.2; done", "--nodelist=n4", "--cpus-per-task=4"
    )
    cluster.wait_for(running, "RUNNING")
    waiting = cluster.sbatch("true", f"--dependency=afterok:{running}")
    cluster.restart_controller()
    assert cluster.states(running) | cluster.states(waiting) == {
        running: "RUNNING",
        waiting: "PENDING",
    }
    cluster.kill_slurmd("n4")
    go.touch()
    cluster.start_slurmd("n4")
    cluster.wait_for(running, "COMPLETED")
    cluster.wait_for(waiting, "COMPLETED")
    assert cluster.restarts(running) == 0


def test_accounting_knows_how_jobs_ended_and_their_comment(cluster: Cluster) -> None:
    good = cluster.sbatch("true", "--comment=5f0c")
    bad = cluster.sbatch("exit 3")
    cluster.wait_for(good, "COMPLETED")
    cluster.wait_for(bad, "FAILED")
    wait_for(
        lambda: (
            cluster.sacct(good, "State", "Comment") == [{"State": "COMPLETED", "Comment": "5f0c"}]
        ),
        20,
        lambda: cluster.sacct(good, "State"),
    )
    wait_for(
        lambda: cluster.sacct(bad, "State", "ExitCode") == [{"State": "FAILED", "ExitCode": "3:0"}],
        20,
        lambda: cluster.sacct(bad, "State"),
    )


def test_array_indices_end_below_max_array_size(cluster: Cluster) -> None:
    assert "MaxArraySize            = 101" in cluster.slurm("scontrol", "show", "config")
    cluster.sbatch("true", "--array=0-100", "--hold")
    refused = cluster.try_slurm(
        "sbatch", "--array=0-101", "--hold", "--output=/dev/null", "--wrap=true"
    )
    assert refused.returncode != 0
    assert "Invalid job array specification" in refused.stderr


def test_a_limit_on_submitted_jobs_is_enforced(cluster: Cluster) -> None:
    cluster.slurm("sacctmgr", "-i", "-Q", "modify", "user", "root", "set", "MaxSubmitJobs=3")
    try:
        refused = cluster.try_slurm(
            "sbatch", "--array=0-3", "--hold", "--output=/dev/null", "--wrap=true"
        )
    finally:
        cluster.slurm("sacctmgr", "-i", "-Q", "modify", "user", "root", "set", "MaxSubmitJobs=-1")
    assert "AssocMaxSubmitJobLimit" in refused.stderr
