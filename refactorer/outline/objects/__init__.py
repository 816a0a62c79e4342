"""The roles of objects: optimizers, schedulers, models, and what holds them."""
