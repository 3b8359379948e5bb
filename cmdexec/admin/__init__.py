"""What an operator does with an installation beyond running it: measure it."""
