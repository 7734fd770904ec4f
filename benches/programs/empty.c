// A preload that does nothing: what it costs to be one.
