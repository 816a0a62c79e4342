"""Traced runs: nothing about the script's own behaviour changes, and the trace survives every kind of end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from refactorer.verify.execute import DEFAULTS, DETERMINISTIC
from tests.verify.verify_harness import run_script, tiny


def test_a_script_may_leave_by_os_exit(tmp_path: Path) -> None:
    run = run_script(tmp_path, tiny('print("step", i)', after="sys.stdout.flush(); os._exit(5)"))
    assert run.status == 5
    assert [step.step for step in run.trace.steps] == [1, 2, 3, 4]
    assert run.trace.end is not None
    assert run.stdout == b"step 1\nstep 2\nstep 3\nstep 4\n"


def test_a_script_may_be_killed(tmp_path: Path) -> None:
    run = run_script(tmp_path, tiny("i == 3 and os.kill(os.getpid(), 9)"))
    assert run.status == -signal.SIGKILL
    assert len(run.trace.steps) == 3
    assert run.trace.end is None


def test_an_exception_is_told(tmp_path: Path) -> None:
    run = run_script(tmp_path, tiny("if i == 2: raise RuntimeError('no more')"))
    assert run.status == 1
    assert len(run.trace.steps) == 2
    assert run.trace.end is not None
    assert run.trace.end["error"] == "RuntimeError: no more"
    assert run.stderr_tail.endswith("RuntimeError: no more")


def test_an_interrupt_reaches_the_script(tmp_path: Path) -> None:
    text = tiny("i == 3 and signal.raise_signal(signal.SIGINT)")
    loop, _ = text.split("for i in", 1)
    caught = text.replace("for i in", "import signal\ntry:\n  for i in").replace("\n    ", "\n      ")
    run = run_script(tmp_path, f"{caught}\nexcept KeyboardInterrupt:\n  print('saved')\n  sys.exit(7)\n")
    assert loop
    assert (run.status, run.stdout) == (7, b"saved\n")
    assert len(run.trace.steps) == 3


def test_a_run_is_stopped_at_the_time_limit(tmp_path: Path) -> None:
    run = run_script(tmp_path, "import time\nprint('begin', flush=True)\ntime.sleep(60)\n", timeout=1.0)
    assert run.status is None
    assert run.seconds < 30
    assert run.stdout == b"begin\n"


def test_steps_end_the_run(tmp_path: Path) -> None:
    run = run_script(tmp_path, tiny('print("step", i, end=" ")', after="raise SystemExit(3)"), steps=3)
    assert run.status == 0
    assert run.trace.cut
    assert len(run.trace.steps) == 3
    assert run.stdout == b"step 1 step 2 "


LOADER = """\
import sys, torch
from torch.utils.data import DataLoader, TensorDataset

def main():
    data = TensorDataset(torch.arange(12.0).reshape(12, 1))
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    for (x,) in DataLoader(data, batch_size=4, num_workers=2, shuffle=True, multiprocessing_context=sys.argv[1]):
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        optimizer.step()

if __name__ == "__main__":
    main()
"""


def test_workers_of_a_loader_leave_the_trace_alone(tmp_path: Path) -> None:
    fork = run_script(tmp_path / "fork", LOADER, args=("fork",))
    spawn = run_script(tmp_path / "spawn", LOADER, args=("spawn",))
    for run, name in ((fork, "fork"), (spawn, "spawn")):
        assert run.status == 0, run.stderr_tail
        assert len(list((tmp_path / name / "run-records").glob("trace-*"))) == 1
        assert len(run.trace.steps) == 3
    assert [loss.value for loss in fork.trace.losses] == [loss.value for loss in spawn.trace.losses]


SPAWN = """\
import torch, torch.distributed as dist, torch.multiprocessing as mp

def worker(rank, file):
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2 + rank * 0):
        optimizer.zero_grad()
        model(torch.full((1, 1), 1.0 + rank)).sum().backward()
        optimizer.step()
    print("rank", rank, flush=True) if rank == 0 else None
    dist.destroy_process_group()

if __name__ == "__main__":
    import os
    mp.spawn(worker, (os.path.abspath("meet"),), nprocs=2)
"""


def test_spawned_ranks_are_traced_by_rank_zero(tmp_path: Path) -> None:
    run = run_script(tmp_path, SPAWN, env={})
    assert run.status == 0, run.stderr_tail
    assert not run.trace.main
    assert run.trace.rank == 0
    assert len(run.trace.steps) == 2
    assert len(list((tmp_path / "run-records").glob("trace-*"))) == 3


def test_generators_are_seeded_until_the_script_does(tmp_path: Path) -> None:
    text = "import random\nx = random.random()\nimport numpy as np\ny = np.random.rand()\nimport torch\n"
    text += "print(x, y, torch.rand(1).item())\ntorch.manual_seed(5)\nprint(torch.rand(1).item())\n"
    one, same, other = (
        run_script(tmp_path / name, text, seed=seed).stdout.splitlines()
        for name, seed in (("one", 3), ("same", 3), ("other", 4))
    )
    assert one == same
    assert all(a != b for a, b in zip(one[0].split(), other[0].split(), strict=True))
    assert one[1] == other[1]


def test_another_sitecustomize_still_runs(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import os\nos.environ['MARK'] = 'seen'\n")
    env = {"PYTHONPATH": str(tmp_path / "site"), "MINE": "1"}
    run = run_script(tmp_path, "import os, sys\nprint(os.environ['MARK'], os.environ['MINE'], sys.argv)\n", env=env)
    assert run.stdout == b"seen 1 ['script.py']\n", run.stderr_tail


def test_the_environment_is_deterministic(tmp_path: Path) -> None:
    text = "import os\nprint(os.environ['PYTHONHASHSEED'], os.environ['OMP_NUM_THREADS'])\n"
    fixed = run_script(tmp_path / "fixed", text, env={"PYTHONHASHSEED": "random", "OMP_NUM_THREADS": "2"})
    assert fixed.stdout == b"0 2\n"
    assert not DEFAULTS.keys() & DETERMINISTIC.keys()


def test_places_and_steps_of_printed_lines(tmp_path: Path) -> None:
    run = run_script(tmp_path, tiny('print("step", i)', after='os.system("echo child"); print("end")'))
    assert [(mark.step, mark.place) for mark in run.trace.prints] == [
        *((i, "project/script.py:13") for i in range(1, 5)),
        (4, "project/script.py:14"),
    ]
    assert run.stdout.endswith(b"step 4\nchild\nend\n")


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid)\n"
    )
    run = run_script(tmp_path, text)
    limit = time.monotonic() + 10
    while running(int(run.stdout)) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not running(int(run.stdout))


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().split()[2] == "Z")


def test_what_importing_a_library_draws_is_the_scripts_only_if_it_seeded(tmp_path: Path) -> None:
    free = run_script(tmp_path / "a", "import random\nimport rich.style\nprint(random.random())\n").stdout
    alone = run_script(tmp_path / "b", "import random\nprint(random.random())\nimport rich.style\n").stdout
    assert free == alone
    seeded = "import random\nrandom.seed(3)\n"
    free = run_script(tmp_path / "c", f"{seeded}import rich.style\nprint(random.random())\n").stdout
    alone = run_script(tmp_path / "d", f"{seeded}print(random.random())\nimport rich.style\n").stdout
    assert free != alone
