"""What rounding does to the steps of a training."""
