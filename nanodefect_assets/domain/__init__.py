"""Values: frozen dataclasses, units, table schemas and protocols. Imports numpy, pydantic and jaxtyping only."""
