"""From the spec to agno's objects: models, toolkits, agents."""
