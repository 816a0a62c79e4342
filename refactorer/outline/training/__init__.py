"""Which loops are the training, and what of the script it is: one view after the other, the likeliest first."""
