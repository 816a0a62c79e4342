"""Other names of a wrapped model: `model_without_ddp = model`, or a wrapper with a name of its own."""

from __future__ import annotations

from typing import Any

import pytest

from refactorer import convert
from refactorer.result import Converted
from tests.idioms.distributed_runs import run_in_processes
from tests.idioms.test_distributed import EVALUATION, OPTIMIZER, SAVE, SCRIPT, STEP, TEST, WRAP, changed

Changes = tuple[tuple[str, str], ...]
BEFORE = "    model = Net()\n    plain = model\n    model = DDP(model)\n"
CHOSEN = "    several = rank >= 0\n    model = Net()\n"
INDENTED = "        model = DDP(model)\n        plain = model.module\n"
LOOP = "    for _ in range(2):\n        plain ="
CALL = "        test(plain, criterion, test_loader)\n"
SAVES = (SAVE, "plain.state_dict()")
OWN_NAME = (
    (WRAP, "    plain = Net()\n    model = DDP(plain)\n"), SAVES,
    (OPTIMIZER + ".optim.SGD(model.", OPTIMIZER + ".optim.SGD(plain."),
)  # fmt: skip
EVALUATE = """
@torch.no_grad()
def test(net, criterion, loader):
    net.eval()
    for x, y in loader:
        print(criterion(net(x), y).item())

def main"""
EPOCH = '        print("rank", rank, "test", total, right)\n'
LOOKED_AT = """        print(sum(p.sum().item() for p in plain.parameters()))
        torch.save(plain.state_dict(), f"epoch{epoch}.{rank}.pt")
"""
BEHIND = TEST + "    print(plain, [name for name, _ in plain.named_buffers()])\n"

# what is changed, and what the result says then
GOES: dict[str, tuple[Changes, tuple[str, ...]]] = {
    "in_front": (((WRAP, BEFORE), SAVES), ("    plain = model\n    trainer =", "torch.save(self.model.state_dict()")),
    "behind": (((WRAP, WRAP + "    plain = model.module\n"), SAVES), ("    plain = model\n",)),
    "twice": (
        ((WRAP, BEFORE + "    plain = model.module  # the same\n"), SAVES),
        ("    plain = model\n    # the same\n    trainer =",),
    ),
    "under_a_condition": (
        ((WRAP, CHOSEN + "    plain = model\n    if several:\n" + INDENTED), SAVES),
        ("    plain = model\n    trainer =", "strategy='ddp' if several else 'auto')"),
    ),
    "in_both_branches": (
        ((WRAP, CHOSEN + "    if several:\n" + INDENTED + "    else:\n        plain = model\n"), SAVES),
        ("        strategy = 'ddp'\n        plain = model\n    else:\n        plain = model\n",),
    ),
    "moved_in_between": (
        ((WRAP, BEFORE.replace("    model = DDP", "    model = model.to('cpu')\n    model = DDP")), SAVES), (),
    ),
    "given_to_the_optimizer": (
        ((WRAP, BEFORE), SAVES, (OPTIMIZER + ".optim.SGD(model.", OPTIMIZER + ".optim.SGD(plain.")), (),
    ),
    "a_name_of_its_own": (OWN_NAME, ("    model = plain\n", "torch.save(self.model.state_dict()")),
    "in_the_end": (
        ((WRAP, BEFORE), SAVES, ("                out = model(x)\n", "                out = plain(x)\n"),
         (TEST, TEST + "    print(plain(torch.ones(2, 4)).tolist())\n")),
        ("            for x, y in self.test_loader:\n                out = self.model(x)\n",),
    ),
    "beside_another_value_of_its_argument": (
        ((WRAP, BEFORE.replace("DDP(model)", "DDP(model, broadcast_buffers=False)")), SAVES,
         (OPTIMIZER, "    torch.backends.cudnn.benchmark = False\n" + OPTIMIZER)),
        ("strategy=DDPStrategy(broadcast_buffers=False)",),
    ),
    "looked_at": ((*OWN_NAME, (EPOCH, EPOCH + LOOKED_AT), (TEST, BEHIND)), ("for p in self.model.parameters()",)),
}  # fmt: skip
STAYS: dict[str, tuple[Changes, str]] = {
    "looked_at_in_front": (((WRAP, BEFORE + "    print(plain.a.weight)\n"), SAVES), "between"),
    "loaded_in_front": (((WRAP, BEFORE + "    plain.load_state_dict(data[rank])\n"), SAVES), "between"),
    "called_in_the_step": (
        ((WRAP, BEFORE), SAVES, (STEP, STEP + "            loss = loss + plain(x).sum()\n")), "in another way",
    ),
    "kept_for_the_step": (
        ((WRAP, BEFORE), SAVES, (STEP, STEP + "            if epoch > 0: print(net(x))\n"),
         (EPOCH, EPOCH + "        net = plain\n")),
        "in another way",
    ),
    "evaluated_by_that_name": (
        ((WRAP, BEFORE), SAVES, ("\ndef main", EVALUATE), (EVALUATION, CALL)),
        "in another way",
    ),
    "used_by_a_function": (
        ((WRAP, BEFORE + "    def save():\n        torch.save(plain.state_dict(), 'a.pt')\n"), SAVES,
         (EPOCH, EPOCH + "        save()\n")),
        "a function that stays",
    ),
    "another_model_is_wrapped": (
        ((WRAP, BEFORE.replace("    model = DDP", "    model = nn.Sequential(model)\n    model = DDP")), SAVES),
        "which it may not keep",
    ),
    "bound_again": (((WRAP, BEFORE), SAVES, (EPOCH, EPOCH + "        plain = Net()\n")), "which it may not keep"),
    "bound_in_a_loop": (
        ((WRAP, BEFORE.replace("    plain =", LOOP)), SAVES), "which it may not keep",
    ),
    "the_model_of_another_wrapper": (
        ((WRAP, WRAP.replace("model = DDP", "other = DDP")), (SAVE, "model.state_dict()")), "in another way",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOES)
def test_the_wrapper_goes(name: str) -> None:
    changes, parts = GOES[name]
    result = convert(changed(SCRIPT, *changes))
    assert isinstance(result, Converted), result.diagnostics
    assert "DDP(" not in result.after and ".module" not in result.after and "strategy=" in result.after
    for part in parts:
        assert part in result.after, result.after


@pytest.mark.parametrize("name", STAYS)
def test_the_wrapper_stays(name: str) -> None:
    changes, reason = STAYS[name]
    result = convert(changed(SCRIPT.replace(TEST, ""), *changes))
    assert isinstance(result, Converted), result.diagnostics
    assert "DDP(" in result.after and "strategy" not in result.after
    assert [d.code for d in result.diagnostics if reason in d.message] == ["N107"], result.diagnostics


RUN = ("under_a_condition", "looked_at", "in_the_end")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What two processes of each script did, before and after."""
    both = {}
    for name in RUN:
        text = changed(SCRIPT, *GOES[name][0])
        result = convert(text)
        assert isinstance(result, Converted)
        both |= {name: text, f"{name} converted": result.after}
    return run_in_processes(both, tmp_path_factory)


@pytest.mark.parametrize("name", RUN)
def test_two_processes_do_the_same(name: str, runs: dict[str, list[dict[str, Any]]]) -> None:
    first, second = runs[name]
    assert first["losses"] and first["losses"] != second["losses"]
    assert runs[f"{name} converted"] == runs[name]
