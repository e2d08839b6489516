"""From loops to formulas: what a loop nest does to whole arrays, in one normal form."""
