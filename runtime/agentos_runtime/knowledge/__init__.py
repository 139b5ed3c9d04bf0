"""Knowledge: texts that agents search, in the workspace's own schema. Imported only where a document declares some."""
