"""What is known of variables, objects and code: questions that several idioms ask, and that edit nothing."""
