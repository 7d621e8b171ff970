"""The ids of a batch: what they are, what is wrong with them, and which rows they mean."""
