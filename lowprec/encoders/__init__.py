"""From frames to samples: columns of values as dense features and rows of tables."""
