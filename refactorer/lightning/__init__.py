"""Where Lightning's Trainer differs from a plain loop: a training that a difference may reach is refused."""
