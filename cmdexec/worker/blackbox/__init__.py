"""What a worker keeps of how it was, so that it can say after an absence why it was away."""
