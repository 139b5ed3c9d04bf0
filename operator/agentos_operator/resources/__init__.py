"""Custom resources, parsed once into frozen models; nothing below sees a raw object."""
