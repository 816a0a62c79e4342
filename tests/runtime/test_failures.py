"""What goes wrong ends with a clear message and the right exit status, and nobody waits forever."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException

import runtime
from runtime import checkpoints, launcher
from runtime.explanations import explain
from runtime.settings import resolve
from tests.runtime.parity import Lit, Record, bits, loaders, mlp

ROOT = Path(__file__).resolve().parents[2]


# ---- settings that cannot be used


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"strategy": "dpp"}, "strategy='dpp' is unknown: did you mean 'ddp'?"),
        ({"strategy": "nothing like it"}, "is unknown: there are ddp, ddp_spawn"),
        ({"accelerator": "gpuu"}, "accelerator='gpuu' is unknown: did you mean 'gpu'?"),
        ({"precision": "bf16mixed"}, "precision='bf16mixed' is unknown: did you mean 'bf16-mixed'?"),
        ({"precision": 8}, "precision=8 is unknown: there are 32, 64"),
        ({"accelerator": "cuda"}, "accelerator='cuda': there is no such device here"),
        ({"accelerator": "gpu", "devices": 4}, "accelerator='gpu': there is no such device here"),
        ({"accelerator": "mps"}, "torch finds no Apple GPU"),
        ({"accelerator": "tpu"}, "accelerator='tpu' needs PyTorch/XLA, which is not installed: pip install"),
        ({"device": "xla"}, "accelerator='tpu' needs PyTorch/XLA"),
        ({"strategy": "xla"}, "strategy='xla' needs PyTorch/XLA"),
        ({"strategy": "deepspeed_stage_2"}, "needs DeepSpeed, which is not installed: pip install"),
        ({"accelerator": "cpu", "devices": [0, 1]}, "on the CPU it is the number of processes, 1 or more"),
        ({"accelerator": "cpu", "devices": 0}, "devices=0: pass how many"),
        ({"accelerator": "auto", "strategy": "fsdp"}, "strategy='fsdp' needs accelerator='gpu', or accelerator='cpu'"),
        ({"accelerator": "cpu", "devices": 2, "sync_batchnorm": True}, "torch's SyncBatchNorm needs GPUs"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there are such devices")
def test_settings_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(MisconfigurationException) as raised:
        runtime.Trainer(max_epochs=1, **arguments)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    outside = {name: value for name, value in arguments.items() if name != "device"}
    if outside:
        monkeypatch.setenv("REFACTORER_TRAINER", str(outside).replace("'", '"').replace("True", "true"))
        with pytest.raises(runtime.SettingsError) as ended:
            runtime.Trainer(max_epochs=1)
        assert ended.value.code == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [{}, {"precision": 64}, {"strategy": "ddp", "devices": 2}, {"accelerator": "cpu"}]
)
def test_settings_that_can_be_used(arguments: dict[str, Any]) -> None:
    runtime.Trainer(max_epochs=1, **arguments)
    assert explain(resolve(arguments, None), ValueError("something else")) is None


def test_more_devices_than_there_are() -> None:
    arguments = resolve({"accelerator": "gpu", "devices": 8}, None)
    error = MisconfigurationException("You requested gpu: [0, 1, 2]\n But your machine only has: [0]")
    assert explain(arguments, error) == (
        "devices=8: there are not that many: You requested gpu: [0, 1, 2] But your machine only has: [0]"
    )


# ---- losses


class Spoilt(Lit):
    def __init__(self, value: float) -> None:
        super().__init__(Record(), mlp())
        self.value = value

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        return loss * self.value if batch_idx == 2 else loss


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "nan"), (float("inf"), "inf")])
@pytest.mark.parametrize("options", [{}, {"reload_dataloaders_every_n_epochs": 1}])
def test_a_loss_that_is_not_finite(value: float, shown: str, options: dict[str, Any]) -> None:
    module = Spoilt(value)
    trainer = runtime.Trainer(max_epochs=1, stop_on_nan=True, **options)
    with pytest.raises(runtime.NonFiniteLoss, match=f"the loss is {shown} in epoch 0, batch 2"):
        trainer.fit(module, loaders()[0])
    assert all(parameter.isfinite().all() for parameter in module.parameters())


def test_a_loss_that_is_not_finite_by_hand() -> None:
    class ByHand(Spoilt):
        automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:
            self.manual_backward(super().training_step(batch, batch_idx))

    with pytest.raises(FloatingPointError, match="epoch 0, batch 2"):
        runtime.Trainer(max_epochs=1, stop_on_nan=True).fit(ByHand(float("nan")), loaders()[0])


@pytest.mark.parametrize(("value", "stop"), [(float("nan"), False), (2.0, True)])
def test_other_losses_do_not_stop(value: float, stop: bool) -> None:
    trainer = runtime.Trainer(max_epochs=1, stop_on_nan=stop)
    trainer.fit(Spoilt(value), loaders()[0])
    assert trainer.global_step == 4


# ---- checkpoints


@pytest.fixture
def full_disk() -> Iterator[int]:
    """No file may become larger than this: writes fail as they do when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield 20_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, full_disk: int) -> None:
    path, saving = tmp_path / "a.ckpt", checkpoints.AtomicCheckpointIO()
    saving.save_checkpoint({"a": torch.ones(2)}, path)
    before = path.read_bytes()
    with pytest.raises(OSError, match="could not be written, and none was replaced: File too large") as raised:
        saving.save_checkpoint({"a": torch.ones(full_disk)}, path)
    assert raised.value.errno == errno.EFBIG
    assert raised.value.filename == str(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path], "nothing half-written is left"


def test_a_full_disk_ends_the_training(tmp_path: Path, full_disk: int) -> None:
    class Large(Lit):
        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            checkpoint["large"] = torch.ones(full_disk if self.current_epoch else 1)

    saving = pl.callbacks.ModelCheckpoint(tmp_path, filename="last", save_top_k=1, enable_version_counter=False)
    with pytest.raises(OSError, match="the checkpoint could not be written"):
        runtime.Trainer(max_epochs=3, callbacks=[saving]).fit(Large(Record(), mlp()), loaders()[0])
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    assert torch.load(tmp_path / "last.ckpt", weights_only=False)["epoch"] == 0


def test_checkpoints_are_as_lightnings(tmp_path: Path) -> None:
    """The same content and mode bits, in a folder that is made for it."""
    module = Lit(Record(), mlp())
    trainer = runtime.Trainer(max_epochs=1)
    trainer.fit(module, loaders()[0])
    trainer.save_checkpoint(tmp_path / "new" / "a.ckpt")
    (tmp_path / "plain").touch()
    saved = tmp_path / "new" / "a.ckpt"
    assert saved.stat().st_mode == (tmp_path / "plain").stat().st_mode
    loaded = torch.load(saved, weights_only=False)["state_dict"]
    assert [bits(tensor) for tensor in loaded.values()] == [bits(t) for t in module.state_dict().values()]


def test_a_way_of_saving_of_ones_own_stays() -> None:
    class Own(pl.plugins.TorchCheckpointIO):
        pass

    own = Own()
    assert runtime.Trainer(max_epochs=1, plugins=[own]).strategy.checkpoint_io is own
    assert isinstance(runtime.Trainer(max_epochs=1).strategy.checkpoint_io, checkpoints.AtomicCheckpointIO)


# ---- processes

SCRIPT = """
import os, signal, sys, time
import torch
import runtime

MODE, FOLDER = sys.argv[1:]

class Lit(runtime.Module):
    def __init__(self):
        super().__init__()
        self.model = torch.nn.Linear(1, 1)
    def training_step(self, batch, batch_idx):
        if batch_idx == 1:
            open(f"{FOLDER}/ready{self.global_rank}.{os.getpid()}", "w").close()
            if MODE == "killed" and self.global_rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            if MODE == "killed, and the first is stuck" and self.global_rank == 1:
                sys.exit(7)
            if MODE != "killed":
                stuck()
        return self.model(batch[0]).mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

def stuck():
    if MODE == "stuck for good" and os.environ["LOCAL_RANK"] == "1":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        time.sleep(120)
    finally:
        os.write(1, b"left %s\\n" % os.environ["LOCAL_RANK"].encode())  # at once: two processes share the pipe

data = torch.utils.data.TensorDataset(torch.ones(8, 1))
runtime.Trainer(max_epochs=1, accelerator="cpu", devices=2, strategy="ddp").fit(
    Lit(), torch.utils.data.DataLoader(data, 2))
"""


class Running:
    """The script on two processes, in a group of its own."""

    def __init__(self, folder: Path, mode: str) -> None:
        (folder / "script.py").write_text(SCRIPT)
        self.folder = folder
        variables = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "MASTER_PORT")}
        self.first = subprocess.Popen(
            [sys.executable, "script.py", mode, str(folder)],
            env={**variables, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def ready(self) -> list[int]:
        """Wait until both train; their numbers, the first process's first."""
        limit = time.monotonic() + 90
        while time.monotonic() < limit and self.first.poll() is None:
            found = sorted(path.name for path in self.folder.glob("ready*"))
            if len(found) == 2:
                return [int(name.split(".")[1]) for name in found]
            time.sleep(0.1)
        self.first.kill()
        raise AssertionError(self.first.communicate())

    def end(self) -> tuple[int, str, str]:
        """Wait for the end: exit status, output and errors."""
        out, err = self.first.communicate(timeout=60)
        return self.first.returncode, out, err


def gone(process: int) -> bool:
    """Whether a process of another parent ends soon."""
    limit = time.monotonic() + 4 * launcher.GRACE
    while time.monotonic() < limit:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "expected", "said"),
    [
        ("killed", 1, "error: process 1 was killed by SIGKILL"),
        (
            "killed, and the first is stuck",
            7,
            "error: process 1 of 2 ended with status 7, so the training cannot go on",
        ),
    ],
)
def test_a_process_dies(tmp_path: Path, mode: str, expected: int, said: str) -> None:
    """The other one is told by the communication that breaks off, or, where it is stuck, by the watch."""
    status, _, err = Running(tmp_path, mode).end()
    assert status == expected, err
    assert any(line.startswith(said) for line in err.splitlines()), err


@pytest.mark.slow
def test_ctrl_c_reaches_all(tmp_path: Path) -> None:
    running = Running(tmp_path, "stuck")
    processes = running.ready()
    os.killpg(running.first.pid, signal.SIGINT)
    status, out, err = running.end()
    assert status == -signal.SIGINT, err
    assert "KeyboardInterrupt" in err
    assert sorted(out.split()) == ["0", "1", "left", "left"], "finally was run in both"
    assert gone(processes[1])


@pytest.mark.slow
def test_sigterm_to_the_first_ends_all(tmp_path: Path) -> None:
    """Even where the others do not listen, as in communication that waits."""
    running = Running(tmp_path, "stuck for good")
    processes = running.ready()
    running.first.terminate()
    assert running.first.wait(30) == -signal.SIGTERM
    assert gone(processes[1])


def process(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-S", "-c", code])


def test_the_watch_sees_the_first_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "INTERVAL", 0.01)
    monkeypatch.setattr(launcher, "_running", 1)
    assert launcher._first_failure([process(""), process("raise SystemExit(3)")]) == (2, 3)
    assert launcher._first_failure([process("import os; os.kill(os.getpid(), 9)"), process("")]) == (1, -9)
    assert launcher._first_failure([process(""), process("")]) is None


def test_a_process_may_fail_when_nobody_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the training each process ends as it likes."""
    monkeypatch.setattr(launcher, "INTERVAL", 0.01)
    failed = process("raise SystemExit(3)")
    failed.wait()
    looks = []

    def poll() -> int:
        looks.append(1)
        if len(looks) == 5:
            monkeypatch.setattr(launcher, "_running", 1)
        return 3

    monkeypatch.setattr(failed, "poll", poll)
    assert launcher._first_failure([failed]) == (1, 3)
    assert len(looks) == 5


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "ended with status 0"),
        (3, "ended with status 3"),
        (-9, "was killed by SIGKILL"),
        (-99, "killed by signal 99"),
    ],
)
def test_statuses_in_words(status: int, words: str) -> None:
    assert words in launcher.describe(status)
