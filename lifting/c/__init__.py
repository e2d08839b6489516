"""The C front end: source text to loop IR that says exactly what the C says."""
