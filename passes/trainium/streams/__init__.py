"""From tile programs to streams of the engines: places, engines, semaphores."""
