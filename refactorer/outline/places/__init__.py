"""A place for every variable of the training, and what is read and written where."""
