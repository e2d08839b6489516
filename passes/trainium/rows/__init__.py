"""Computations on rows: a graph, its schedule on the engines, and its instructions."""
