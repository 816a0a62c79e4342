"""The examples that `--help` ends with."""

from __future__ import annotations


def _block(*lines: str) -> str:
    """Lines that click leaves as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


ALL = _block(
    "refactorer convert train.py              show what would change",
    "refactorer convert train.py --in-place   convert it",
    "refactorer verify train.py               train both versions and compare every loss",
    "refactorer run train.py --devices 4      scale the converted script",
)

ANALYZE = _block(
    "refactorer analyze train.py",
    "refactorer analyze src/ --format json > findings.json",
    "git show HEAD:train.py | refactorer analyze -",
)

CONVERT = _block(
    "refactorer convert train.py                          show the diff",
    "refactorer convert train.py --in-place               rewrite the file",
    "refactorer convert train.py --output lit_train.py    write the result elsewhere",
    "refactorer convert src/ --output converted/          a tree with the converted files",
    "refactorer convert src/ --check --diff               for CI: preview, and exit with 1",
    "refactorer convert src/ --check --format github      for a GitHub workflow",
    "refactorer convert - < train.py > lit_train.py       as a filter",
    "refactorer convert train.py --skip N101              keep zero_grad, backward and step in the step",
    "refactorer convert train.py --target lightning -i    import pytorch_lightning alone",
)

VERIFY = _block(
    "refactorer verify train.py",
    "refactorer verify train.py lit_train.py --steps 100",
    "refactorer verify train.py --report report.html --report report.json -- --epochs 2 --no-cuda",
    "refactorer verify train.py --synthetic --epochs 2 --report summary.md    for CI: no data, no network",
    "refactorer verify train.py --seeds 5 --format line",
    "refactorer verify train.py --devices 2 --strategy ddp                    within the spread over seeds",
)

RUN = _block(
    "refactorer run train.py --devices 4 --precision 16-mixed",
    "refactorer run train.py --accelerator gpu --devices 0,2 --strategy ddp -- --epochs 20",
    "refactorer run train.py --set limit_train_batches=10 --set enable_checkpointing=true",
)

EXPLAIN = _block(
    "refactorer explain          list all codes",
    "refactorer explain E002     show one",
)
