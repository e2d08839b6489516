"""Maxima over windows of pixels: read from tensor IR, planned in blocks, and made instructions."""
