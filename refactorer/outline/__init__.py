"""From a program to the literal structure of a module: which loop is the training, which hook runs which statement,
where every variable lives."""
