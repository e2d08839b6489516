"""Random kernels and schedules, for ``liftproof.validation.fuzz`` to mutate and judge."""
