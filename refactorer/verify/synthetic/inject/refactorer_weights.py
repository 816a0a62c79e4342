"""Pretrained weights are not downloaded: where they are not there already, the model keeps its initial weights."""

from __future__ import annotations

import functools
from typing import Any

# Found beside this file, whose folder is on the path of the verified script.
import refactorer_synthetic as synthetic  # type: ignore[import-not-found]


class NotThere(dict[str, Any]):
    """Stands for weights that would be downloaded; loading them changes nothing."""


def replace(torch: Any) -> None:
    """Changes `torch.hub` and `Module.load_state_dict`."""
    fetch, load = torch.hub.load_state_dict_from_url, torch.nn.Module.load_state_dict

    @functools.wraps(fetch)
    def load_state_dict_from_url(url: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return fetch(url, *args, **kwargs)
        except OSError:  # urllib's errors are; a file that is there already is read without a network
            synthetic.tell("initial weights for pretrained ones, which cannot be downloaded")
            return NotThere()

    @functools.wraps(load)
    def load_state_dict(self: Any, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(state_dict, NotThere):
            return torch.nn.modules.module._IncompatibleKeys([], [])
        return load(self, state_dict, *args, **kwargs)

    torch.hub.load_state_dict_from_url = load_state_dict_from_url
    torch.nn.Module.load_state_dict = load_state_dict
