"""How much a Trainer costs beside the loop that it replaces: time per step, peak memory, time to start."""
