"""Lock managers for isolation level SERIALIZABLE."""
