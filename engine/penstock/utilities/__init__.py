"""Small helpers that user code may import as well."""
