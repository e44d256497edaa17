"""What Harvesters say of themselves and of the workers that they have submitted, and what they are told to do."""
