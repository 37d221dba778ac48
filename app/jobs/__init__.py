"""Durable background work: queue, workflows made of stages, child processes, takeover of dead workers."""
