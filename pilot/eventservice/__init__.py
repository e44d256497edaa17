"""Fine-grained work: event ranges are asked for, handed to a payload, collected, stored and reported."""
