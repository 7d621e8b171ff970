"""Files of tables and models."""
