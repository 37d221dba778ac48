"""What a child process runs: one module per stage, spec in -> result out, progress as events.

A stage module `app.engine.stages.<name>` defines

* `Spec`, a frozen dataclass: absolute paths of inputs (fields of type `Path`) and parameters,
* `Result`, a frozen dataclass: numbers, and names of the files it wrote into its own folder (fields of type `str`
  ending in `_file`),
* `run(spec, context) -> Result`: deterministic and idempotent; everything it writes goes below `context.folder`.
"""
