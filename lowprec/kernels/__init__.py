"""Loops over arrays: `cpu` and `cuda` have functions of the same names and parameters.

What both share is here: blocks of columns, their rounding, and how a batch's gradients are laid
out.  A kernel checks nothing and decides nothing about the result.
"""
