"""Trainium's cycle model: when each instruction runs, and where the time went."""
