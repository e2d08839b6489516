"""Passes that take tensor programs to Trainium's tile level."""
