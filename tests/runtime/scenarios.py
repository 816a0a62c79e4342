"""Trainings on two processes that are started from outside, as a cluster does, and the same on a single one.

``python -m tests.runtime.scenarios FOLDER`` runs all of them and leaves ``NAME.RANK.pickle`` for each process. The
processes are forked from one that has imported everything, so that a scenario costs little more than its training.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

import runtime
from tests.ports import free_port
from tests.runtime.parity import bits
from tests.runtime.scenario_modules import (
    Keeps,
    Lit,
    LooksAtGradients,
    Skips,
    Thaws,
    ThawsInTheStep,
    TwoLosses,
    WithAdam,
    WithTarget,
    linear,
    network,
)  # fmt: skip

CPU: dict[str, Any] = {"accelerator": "cpu"}
TWO: dict[str, Any] = {**CPU, "devices": 2, "strategy": "ddp"}
LIGHTNINGS_LOOP: dict[str, Any] = {"reload_dataloaders_every_n_epochs": 1}  # which the lean loop does not know
LIMIT = 60.0  # seconds for one scenario
CLIP = 2**-2  # the largest norm of the gradients, where they are clipped


def integers(count: int) -> TensorDataset:
    """Samples of small integers, with which a linear model in float64 is trained without any rounding.

    Of its 53 bits, a parameter takes about six more in each step: the samples are below 4, two of them are multiplied,
    sums over 8 samples take three, and the learning rate and the mean move the point by seven.
    """
    generator = torch.Generator().manual_seed(5)
    data = torch.randint(-1, 2, (count, 3), generator=generator).double()
    target = torch.randint(-2, 3, (count,), generator=generator).double()
    return TensorDataset(torch.arange(count), data, target)


def train(
    model: nn.Module,
    batch_size: int,
    *,
    count: int = 16,
    epochs: int = 2,
    validate: bool = False,
    loader: dict[str, Any] | None = None,
    lit: type[Keeps] = Lit,
    **trainer: Any,
) -> dict[str, Any]:
    """Train, and return all that can be compared."""
    torch.manual_seed(11)
    loader = dict(loader or {})
    if loader.pop("own_generator", False):
        loader["generator"] = torch.Generator().manual_seed(7)
    if loader.pop("some", False):
        loader["sampler"] = torch.utils.data.SubsetRandomSampler(range(8))
    in_bars = loader.pop("in_bars", False)
    data = DataLoader(integers(count), batch_size, **loader)
    evaluation = DataLoader(integers(10), 2, shuffle=True) if validate else None
    given = [part for part in (data, evaluation) if part is not None]
    if in_bars:
        given = [tqdm(part, file=io.StringIO()) for part in given]
    module = lit(model)
    trainer_ = runtime.Trainer(max_epochs=epochs, **{**CPU, **trainer})
    trainer_.fit(module, *given)
    return {
        "rank": trainer_.global_rank,
        "world": trainer_.world_size,
        "environment": type(trainer_._accelerator_connector.cluster_environment).__name__,
        "lean": trainer_.lean_loop_reason,
        "seen": module.seen,
        "drawn": module.drawn,
        "evaluated": module.evaluated,
        "parameters": [bits(parameter) for parameter in module.parameters()],
        "values": [parameter.detach().clone() for parameter in model.parameters()],
        "random": torch.get_rng_state(),
        "generator": data.generator.get_state() if data.generator is not None else None,
    }


def matched(**options: Any) -> dict[str, Any]:
    """The same training; a single process takes batches twice as large."""
    alone = "WORLD" not in os.environ
    options = {**({} if alone else TWO), **({"devices": 1} if alone else {}), **options}
    if alone:
        options.pop("strategy", None)
    model = options.pop("model", linear)().to(options.pop("dtype", torch.float64))
    return train(model, 8 if alone else 4, **options)


def fsdp(**options: Any) -> dict[str, Any]:
    """FSDP on the CPU. It computes in float32, whose 24 bits are enough for the four steps without rounding."""
    return matched(strategy="fsdp", dtype=torch.float32, **options)


def fsdp_guards() -> dict[str, Any]:
    """What FSDP cannot do is said: a part of the model saved within the run, backward within the step."""
    said = []

    class Saves(Lit):
        def on_train_epoch_end(self) -> None:
            try:
                self.model.state_dict()
            except RuntimeError as error:
                said.append(str(error))

    class ByHand(Lit):
        automatic_optimization = False

    loader = DataLoader(integers(8), 4)
    trainer = runtime.Trainer(max_epochs=1, **{**TWO, "strategy": "fsdp"})
    saves = Saves(network().float())
    trainer.fit(saves, loader)
    trainer.save_checkpoint("fsdp.ckpt", weights_only=True)
    try:
        trainer.save_checkpoint("all.ckpt")
    except RuntimeError as error:
        said.append(str(error))
    try:
        runtime.Trainer(max_epochs=1, **{**TWO, "strategy": "fsdp"}).fit(ByHand(linear().float()), loader)
    except Exception as error:
        said.append(str(error))
    saved = torch.load("fsdp.ckpt", weights_only=True)["state_dict"]
    shapes = {name: tuple(tensor.shape) for name, tensor in saves.model.state_dict().items()}
    return {"said": said, "saved": {name: tuple(tensor.shape) for name, tensor in saved.items()}, "shapes": shapes}


def fsdp_checkpoints() -> dict[str, Any]:
    """A checkpoint that a callback saves within the run holds all, and the training goes on from it."""
    arguments: dict[str, Any] = {**TWO, "strategy": "fsdp", "max_epochs": 3}
    loader = DataLoader(integers(16), 4)
    saver = ModelCheckpoint(".", "fsdp-{epoch}", save_top_k=-1)
    whole, rest = WithAdam(network().float()), WithAdam(network().float())
    runtime.Trainer(callbacks=[saver], **arguments).fit(whole, loader)
    runtime.Trainer(**arguments).fit(rest, loader, ckpt_path="fsdp-epoch=0.ckpt")
    saved = torch.load("fsdp-epoch=2.ckpt", weights_only=False)
    state = saved["optimizer_states"][0]["state"]
    return {
        "whole": [bits(parameter) for parameter in whole.parameters()],
        "rest": [bits(parameter) for parameter in rest.parameters()],
        "saved": [bits(parameter) for parameter in saved["state_dict"].values()],
        "state": [tuple(state[number]["exp_avg"].shape) for number in sorted(state)],
        "shapes": whole.shapes,
        "steps": (len(whole.seen), len(rest.seen)),
    }


def two_fits() -> dict[str, Any]:
    """FSDP, then the same model again: the first run left plain parameters behind."""
    model = network().float()
    train(model, 4, **{**TWO, "strategy": "fsdp"})
    return train(model, 4, **{**TWO, "strategy": "fsdp"})


def precisions() -> dict[str, Any]:
    """Each precision that the CPU has, on two processes: the dtype that the layers see, and the parameters."""
    results = {}
    for precision in ("64-true", "32-true", "bf16-mixed", "bf16-true", "16-true"):
        dtypes = []
        model = nn.Linear(3, 1)

        class Looks(runtime.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model  # noqa: B023

            def training_step(self, batch: Any, batch_idx: int) -> Tensor:
                output = self.model(batch[1])
                dtypes.append((output.dtype, self.model.weight.dtype))  # noqa: B023
                return (output.squeeze(1) - batch[2]).square().mean()

            def configure_optimizers(self) -> Any:
                return torch.optim.SGD(self.parameters(), lr=0.01)

        data = TensorDataset(*(t.float() for t in integers(8).tensors))
        runtime.Trainer(max_epochs=1, precision=precision, **TWO).fit(Looks(), DataLoader(data, 4))
        results[precision] = (set(dtypes), [bits(p.float()) for p in model.parameters()])
    return results


def nan_on_one() -> dict[str, Any]:
    """One process's loss is NaN: both stop, and the parameters are those of the step before."""

    class Spoilt(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            loss = super().training_step(batch, batch_idx)
            return loss * float("nan") if batch_idx == 1 and self.global_rank == 1 else loss

    module = Spoilt(linear())
    try:
        runtime.Trainer(max_epochs=1, stop_on_nan=True, **TWO).fit(module, DataLoader(integers(16), 4))
    except runtime.NonFiniteLoss as error:
        return {"said": str(error), "finite": all(p.isfinite().all().item() for p in module.model.parameters())}
    return {}


def watched() -> dict[str, Any]:
    """A callback watches a sum over all processes that the module holds; the training ends in both."""

    class Sums(Lit):
        def on_validation_epoch_start(self) -> None:
            self.total = 0

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.total += int(batch[0].sum())

        def on_validation_epoch_end(self) -> None:
            self.total = self.sum_across_ranks(self.total)

    stopping = EarlyStopping("total", patience=2)
    trainer = runtime.Trainer(max_epochs=9, callbacks=[stopping], **TWO)
    trainer.fit(Sums(linear()), DataLoader(integers(8), 4), DataLoader(integers(10), 2))
    return {"epochs": trainer.current_epoch, "best": stopping.best_score.item()}


def few_batches() -> dict[str, Any]:
    """One process gets no batch at all, and its sums are still the numbers that they began with."""

    class Sums(Lit):
        def on_validation_epoch_start(self) -> None:
            self.count, self.loss, self.parts = 0, 0, 0

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.count += len(batch[0])
            self.loss += 0.5
            self.parts += torch.tensor([1.0, 2.0], dtype=torch.float64)

        def on_validation_epoch_end(self) -> None:
            self.count, self.loss, self.parts = self.sum_across_ranks(self.count, self.loss, self.parts)

    module = Sums(linear())
    runtime.Trainer(max_epochs=1, **TWO).fit(module, DataLoader(integers(8), 4), DataLoader(integers(3), 3))
    return {"sums": [module.count, module.loss, module.parts]}


class EvaluatesAlone(Lit):
    """The first process evaluates at the end of each epoch, and trains on."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1)).double())
        self.automatic_validation = False
        self.totals: list[int] = []
        self.said: list[str] = []

    def on_train_epoch_end(self) -> None:
        if self.trainer.global_rank == 0:
            try:
                self.validate(alone=True)
            except RuntimeError as error:
                self.said.append(str(error))

    def on_validation_epoch_start(self) -> None:
        self.total = 0

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.model(batch[1])
        self.total += int(batch[0].sum())

    def on_validation_epoch_end(self) -> None:
        self.totals.append(self.sum_across_ranks(self.total))


def alone(**options: Any) -> dict[str, Any]:
    """One process evaluates, and the other one does not."""
    module = EvaluatesAlone()
    trainer = runtime.Trainer(max_epochs=2, **TWO, **options)
    trainer.fit(module, DataLoader(integers(16), 4), DataLoader(integers(10), 2))
    parameters = [bits(parameter) for parameter in module.parameters()]
    return {"totals": module.totals, "said": module.said, "parameters": parameters}


def told_not_to_look() -> dict[str, Any]:
    """What the strategy was told about unused parameters is not overruled."""
    try:
        train(linear(), 4, lit=WithTarget, **{**TWO, "strategy": "ddp_find_unused_parameters_false"})
    except RuntimeError as error:
        return {"said": str(error)}
    return {}


def uneven_evaluation_under_fsdp() -> dict[str, Any]:
    """What is different under FSDP is announced: batches that are evaluated twice, gradients that are parts."""
    results = {}
    for name, options in {"noted": {"validate": True}, "looks": {"lit": LooksAtGradients}}.items():
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            train(linear().float(), 4, **options, **{**TWO, "strategy": "fsdp"})  # type: ignore[arg-type]
        results[name] = [str(note.message) for note in noted]
    return results


class Dies(torch.utils.data.Dataset[Any]):
    """A data set whose fifth sample kills the worker that loads it."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        if index == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return integers(8)[index]


def worker_dies() -> dict[str, Any]:
    """A worker of the loader is killed, in a single process."""
    try:
        try:
            runtime.Trainer(max_epochs=1).fit(Lit(linear()), DataLoader(Dies(), 2, num_workers=1))
        finally:
            time.sleep(0.5)  # torch raises once more when the signal of the worker's death arrives
    except RuntimeError as error:
        return {"said": str(error)}
    return {}


SCENARIOS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "shuffled": ("plain", lambda: matched(loader={"shuffle": True})),
    "own_generator": ("torchrun", lambda: matched(loader={"shuffle": True, "own_generator": True})),
    "in_order": ("slurm", matched),
    "dropped": ("plain", lambda: matched(count=23, loader={"shuffle": True, "drop_last": True})),
    "uneven": ("plain", lambda: matched(count=23, epochs=1)),
    "network": ("plain", lambda: matched(model=network, loader={"shuffle": True})),
    "validated": ("plain", lambda: matched(validate=True, loader={"shuffle": True})),
    "in_bars": ("plain", lambda: matched(validate=True, loader={"shuffle": True, "in_bars": True})),
    "kept": ("plain", lambda: matched(lit=Keeps, validate=True, loader={"shuffle": True})),
    "kept_in_lightnings_loop": ("plain", lambda: matched(lit=Keeps, validate=True, **LIGHTNINGS_LOOP)),
    "lightnings_loop_in_bars": ("plain", lambda: matched(**LIGHTNINGS_LOOP, loader={"shuffle": True, "in_bars": True})),
    "lightnings_loop": ("plain", lambda: matched(**LIGHTNINGS_LOOP)),
    "lightnings_loop_shuffled": ("plain", lambda: matched(**LIGHTNINGS_LOOP, loader={"shuffle": True})),
    "sampler": ("plain", lambda: matched(loader={"some": True})),
    "two_losses": ("plain", lambda: matched(lit=TwoLosses, loader={"shuffle": True})),
    "target_network": ("plain", lambda: matched(lit=WithTarget, loader={"shuffle": True})),
    "thaws": ("plain", lambda: matched(lit=Thaws)),
    "thaws_in_the_step": ("plain", lambda: matched(lit=ThawsInTheStep)),
    "skipped": ("plain", lambda: matched(lit=Skips, epochs=4, validate=True, loader={"shuffle": True})),
    "lightnings_loop_skipped": ("plain", lambda: matched(lit=Skips, epochs=4, **LIGHTNINGS_LOOP)),
    "told_not_to_look": ("plain", told_not_to_look),
    "fsdp": ("plain", lambda: fsdp(loader={"shuffle": True})),
    "fsdp_network": ("plain", lambda: fsdp(model=network, loader={"shuffle": True})),
    "fsdp_clipped": ("plain", lambda: fsdp(model=network, loader={"shuffle": True}, gradient_clip_val=CLIP)),
    "fsdp_guards": ("plain", fsdp_guards),
    "fsdp_checkpoints": ("plain", fsdp_checkpoints),
    "fsdp_twice": ("plain", two_fits),
    "fsdp_uneven_evaluation": ("plain", uneven_evaluation_under_fsdp),
    "precisions": ("plain", precisions),
    "nan_on_one": ("plain", nan_on_one),
    "few_batches": ("plain", few_batches),
    "watched": ("plain", watched),
    "alone": ("plain", alone),
    "alone_in_lightnings_loop": ("plain", lambda: alone(profiler="simple")),
    "worker_dies": ("plain", worker_dies),
}

#: Scenarios that a single process runs too, for comparison.
MATCHED = [name for name in SCENARIOS if name not in (
    "fsdp_guards", "fsdp_checkpoints", "fsdp_twice", "fsdp_uneven_evaluation", "precisions", "nan_on_one", "watched",
    "worker_dies", "few_batches", "told_not_to_look", "alone", "alone_in_lightnings_loop",
)]  # fmt: skip


def environment(kind: str, rank: int, port: int) -> dict[str, str]:
    """What a process on a cluster finds in its environment."""
    master = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD": "2"}
    if kind == "torchrun":
        return {
            **master, "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0", "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none",
        }  # fmt: skip
    if kind == "slurm":
        job = {"SLURM_JOB_ID": "17", "SLURM_JOB_NAME": "train", "SLURM_NODEID": "0", "SLURM_NODELIST": "localhost"}
        tasks = {
            "SLURM_NTASKS": "2",
            "SLURM_NTASKS_PER_NODE": "2",
            "SLURM_PROCID": str(rank),
            "SLURM_LOCALID": str(rank),
        }
        return {**master, **job, **tasks}
    return {**master, "LOCAL_RANK": str(rank), "NODE_RANK": "0"}


def run_rank(name: str, variables: dict[str, str], place: str) -> int:
    """Run a scenario in a forked process; returns its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.environ.update(variables)
        result = SCENARIOS[name][1]()
        with open(place, "wb") as file:
            pickle.dump(result, file)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # whatever happens, a forked process never returns


def wait(children: list[int]) -> list[int]:
    """The statuses of the processes; those that are not done in time are killed."""
    limit = time.monotonic() + LIMIT
    statuses: dict[int, int] = {}
    while len(statuses) < len(children) and time.monotonic() < limit:
        for child in children:
            if child not in statuses:
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    statuses[child] = os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    for child in children:
        if child not in statuses:
            os.kill(child, 9)
            os.waitpid(child, 0)
    return [statuses.get(child, -9) for child in children]


def main(folder: str) -> None:
    torch.set_num_threads(1)
    os.chdir(folder)
    for name, (kind, _) in SCENARIOS.items():
        port = free_port()
        children = [run_rank(name, environment(kind, rank, port), f"{name}.{rank}.pickle") for rank in range(2)]
        if name in MATCHED:
            children.append(run_rank(name, {}, f"{name}.alone.pickle"))
        print(name, wait(children), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
