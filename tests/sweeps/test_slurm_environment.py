"""What becomes of the caller's environment when a job is sent."""

import os

import pytest

from sweeps.slurm.environment import look, options_of, without

SCRIPT = "#!/bin/bash\n#SBATCH --partition=low\n#SBATCH --time=10\n#SBATCH --array=0-3%4\n"


def test_options_of_the_script_win_and_open_ones_may_come_from_the_caller() -> None:
    found = look(
        options_of(SCRIPT),
        {
            "SBATCH_PARTITION": "high",
            "SBATCH_TIMELIMIT": "1",
            "SBATCH_ARRAY_INX": "0-99",
            "SBATCH_ACCOUNT": "physics",
            "HOME": "/home/me",
        },
    )
    assert found.used == ("SBATCH_ACCOUNT",)
    assert found.overruled == ("SBATCH_ARRAY_INX", "SBATCH_PARTITION", "SBATCH_TIMELIMIT")
    assert found.dropped == ()


def test_variables_of_the_callers_job_are_dropped_but_not_how_to_reach_slurm() -> None:
    found = look(
        (),
        dict.fromkeys(
            (
                *("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_CPU_BIND", "SLURM_MEM_PER_CPU"),
                *("SLURM_NTASKS", "PMIX_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE"),
            ),
            "1",
        ),
    )
    assert found.dropped == (
        *("OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_SIZE"),
        *("SLURM_CPU_BIND", "SLURM_MEM_PER_CPU", "SLURM_NTASKS"),
    )


def test_they_are_back_afterwards_and_the_note_says_which_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith(("SBATCH_", "SLURM_"))]:
        monkeypatch.delenv(name)
    assert look(options_of(SCRIPT)).note == ""
    monkeypatch.setenv("SBATCH_PARTITION", "high")
    monkeypatch.setenv("SBATCH_QOS", "long")
    found = look(options_of(SCRIPT))
    assert found.note == (
        "SBATCH_QOS=long of your environment is used, the profile leaves it open; "
        "SBATCH_PARTITION=high of your environment is not used, the profile decides"
    )
    with without(found.overruled):
        assert "SBATCH_PARTITION" not in os.environ
    assert os.environ["SBATCH_PARTITION"] == "high"
