"""The command line, thin over the public names: ``python -m lowprec``."""
