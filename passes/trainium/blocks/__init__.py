"""Element-wise code and windows of any shape, in blocks of rows."""
